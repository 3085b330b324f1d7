"""The same short talk with an agent in each framework: a question, then one that needs a tool twice."""

from __future__ import annotations

import asyncio
from typing import Any

from projections import SessionView

from .recorded import async_openai_client

AGENT = ["system be nice", "user echo: hi", "assistant hi", "user weather with tools", "assistant weather weather"]
AGENT += ["tool sunny in city 0", "tool sunny in city 1", "assistant Grüße, 世界!\u2028 The answer."]
WITHOUT_INSTRUCTIONS = AGENT[1:]


def outline(view: SessionView) -> list[str]:
    """A line for each message: its role, and its texts, the names of its calls, its results."""
    return [f"{message.role} {' '.join(_of(part) for part in message.parts)}" for message in view.messages]


def _of(part: dict[str, Any]) -> str:
    if part["type"] == "tool_call_response":
        said = part["response"]
        return said if isinstance(said, str) else "".join(each["content"] for each in said)
    return str(part["name"] if part["type"] == "tool_call" else part["content"])


def ask_pydantic_ai(address: str) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def run() -> None:
        async with async_openai_client(address) as client:
            agent = Agent(OpenAIChatModel("gpt-5", provider=OpenAIProvider(openai_client=client)), instructions="be nice")

            @agent.tool_plain
            def weather(city: str) -> str:
                return f"sunny in {city}"

            first = await agent.run("echo: hi")
            await agent.run("weather with tools", message_history=first.all_messages())

    asyncio.run(run())


def ask_openai_agents(address: str, *, api: str, stream: bool = False, **config: Any) -> None:
    from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner, function_tool

    @function_tool
    def weather(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    async def run() -> None:
        async with async_openai_client(address) as client:
            model = (OpenAIResponsesModel if api == "responses" else OpenAIChatCompletionsModel)("gpt-5", client)
            agent = Agent(name="A", instructions="be nice", model=model, tools=[weather])
            said: Any = []
            for text in ("echo: hi", "weather with tools"):
                asked = [*said, {"role": "user", "content": text}]
                if stream:
                    result: Any = Runner.run_streamed(agent, asked, run_config=RunConfig(**config))
                    async for _ in result.stream_events():
                        pass
                else:
                    result = await Runner.run(agent, asked, run_config=RunConfig(**config))
                said = result.to_input_list()

    asyncio.run(run())


def ask_langchain(address: str, *, stream: bool = False, **config: Any) -> None:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
    from langchain_openai import ChatOpenAI

    def weather(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    import httpx

    with httpx.Client() as http:
        model = ChatOpenAI(model="gpt-5", base_url=f"{address}/v1", api_key="k", max_retries=0, http_client=http, stream_usage=True)
        bound = model.bind_tools([weather])

        def ask(said: list[Any]) -> AIMessage:
            if not stream:
                return bound.invoke(said, config=config)
            pieces = list(bound.stream(said, config=config))
            whole = pieces[0]
            for piece in pieces[1:]:
                whole = whole + piece
            return whole

        said: list[Any] = [SystemMessage("be nice"), HumanMessage("echo: hi")]
        said += [ask(said), HumanMessage("weather with tools")]
        answer = ask(said)
        results = [ToolMessage(weather(**call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
        ask([*said, answer, *results])


def ask_litellm(address: str, model: str, *, stream: bool, as_task: bool, **more: Any) -> str:
    import litellm
    from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

    litellm.suppress_debug_info = True
    base = f"{address}/v1" if model.startswith("openai/") else address
    asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "echo: hi"}], "api_base": base, "api_key": "k"}
    asked |= {"stream": stream, "num_retries": 0, **more}
    if stream and not model.startswith("gemini/"):
        asked["stream_options"] = {"include_usage": True}

    def of(chunk: Any) -> str:
        return (chunk.choices[0].delta.content or "") if chunk.choices else ""

    async def run() -> str:
        made: Any = await litellm.acompletion(**asked)
        said = "".join([of(chunk) async for chunk in made]) if stream else str(made.choices[0].message.content)
        await close_litellm_async_clients()
        return said

    if as_task:
        return asyncio.run(run())
    made: Any = litellm.completion(**asked)
    return "".join(of(chunk) for chunk in made) if stream else str(made.choices[0].message.content)
