// What a session can be exported as, with the ends of the files' names: as the table of exporters has them.

export const FORMATS = [
  ["markdown", ".md"], ["html", ".html"], ["json", ".json"], ["jsonl", ".jsonl"], ["claude-code", ".jsonl"], ["codex", ".jsonl"], ["gemini-cli", ".jsonl"], ["pi", ".jsonl"], ["opencode", ".jsonl"], ["openai", ".jsonl"], ["trl", ".jsonl"], ["sharegpt", ".jsonl"], ["parquet", ".parquet"],
];
