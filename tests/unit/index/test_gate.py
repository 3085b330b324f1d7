"""Many readers or one writer."""

from __future__ import annotations

import threading

from projections.index.gate import Gate


def test_readers_are_in_together_and_a_writer_is_alone() -> None:
    gate, both = Gate(), threading.Barrier(2, timeout=10)
    inside: list[str] = []

    def read() -> None:
        with gate.reading():
            both.wait()  # two of them are in at once
            inside.append("read")

    def write() -> None:
        with gate.writing():
            inside.append("write")

    with gate.reading():
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(0.05)
        assert inside == []
    writer.join()
    assert inside == ["write"]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert inside == ["write", "read", "read"]


def test_who_wants_to_write_goes_before_new_readers() -> None:
    gate, order = Gate(), list[str]()

    def read() -> None:
        with gate.reading():
            order.append("read")

    def write() -> None:
        with gate.writing():
            order.append("write")

    with gate.reading():
        threads = [threading.Thread(target=write)]
        threads[0].start()
        while not gate._waiting:
            threads[0].join(0.001)
        threads.append(threading.Thread(target=read))
        threads[1].start()
        threads[1].join(0.05)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == ["write", "read"]
