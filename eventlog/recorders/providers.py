"""Who answered, and what it cost: the provider that an address belongs to, the model that stands in a path, the price."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

from ..events import Cost, UsageRecorded

# The names are OpenTelemetry's (gen_ai.provider.name) where it has one. Servers that speak another's shape are told by their address.
_HOSTS = (
    ("openai.azure.com", "azure.ai.openai"),
    ("services.ai.azure.com", "azure.ai.inference"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("openrouter.ai", "openrouter"),
    ("api.deepseek.com", "deepseek"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.x.ai", "x_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("api.together.xyz", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.cohere.com", "cohere"),
)
_MODEL = re.compile(r"/(?:models|deployments)/([^/:]+)")


def provider_of(host: str, otherwise: str) -> str:
    """The provider at the address; ``otherwise``: whose shape it speaks."""
    return next((name for ending, name in _HOSTS if host == ending or host.endswith(("." + ending, "-" + ending))), otherwise)


def model_in(path: str) -> str | None:
    """The model that the path names (Google's, Azure's deployments)."""
    found = _MODEL.findall(path)
    return found[-1] if found else None


@cache
def _price_version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"genai-prices-{version('genai-prices')}"
    except PackageNotFoundError:
        return None


def cost_of(usage: UsageRecorded, model: str | None, provider: str | None, time: datetime | None = None) -> Cost | None:
    """What the usage costs: what the provider stated, else what the installed price list says. None where neither knows."""
    if usage.cost is not None:
        return usage.cost
    price_version = _price_version()
    if not model or price_version is None:
        return None
    from genai_prices import Usage, calc_price

    tokens = Usage(
        input_tokens=usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    for provider_id in (provider, None) if provider else (None,):
        try:
            price = calc_price(tokens, model, provider_id=provider_id, genai_request_timestamp=time or datetime.now(UTC))
        except (LookupError, ValueError):
            continue  # a provider that the list calls otherwise: the model's name alone may do
        return Cost(amount=float(round(price.total_price, 12)), price_version=price_version)
    return None
