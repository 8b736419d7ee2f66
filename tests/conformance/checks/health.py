"""Whether the server and the model say that they are live and ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import sources
from ..check import Level, check, require
from ..reading import answered, parsed, short

if TYPE_CHECKING:
    from ..target import Target

UNKNOWN = "no-such-model-of-this-server"


@check("health.live", "GET /v2/health/live is answered by 200.", Level.MUST, sources.LIVE)
def live(target: Target) -> str:
    answer = target.get("/v2/health/live")
    require(answer.status == 200, answer)
    return str(answer)


@check("health.live-object", 'The body of /v2/health/live has "live": true.', Level.SHOULD, sources.LIVE_BODY)
def live_object(target: Target) -> str:
    said = answered(target.get("/v2/health/live"))
    require(said.get("live") is True, short(said))
    return short(said)


@check("health.live-verb", "POST /v2/health/live is refused.", Level.SHOULD, sources.VERBS)
def live_verb(target: Target) -> str:
    answer = target.server.send("POST", "/v2/health/live", b"{}", {"Content-Type": "application/json"})
    require(400 <= answer.status < 500, answer)
    return str(answer)


@check("health.ready", "GET /v2/health/ready is answered by 200.", Level.MUST, sources.READY)
def ready(target: Target) -> str:
    answer = target.get("/v2/health/ready")
    require(answer.status == 200, answer)
    return str(answer)


@check(
    "health.ready-object",
    'The body of /v2/health/ready has "live": true, as the text writes, or "ready": true.',
    Level.SHOULD,
    sources.READY_BODY,
)
def ready_object(target: Target) -> str:
    said = answered(target.get("/v2/health/ready"))
    require(True in (said.get("live"), said.get("ready")) and False not in said.values(), short(said))
    return short(said)


@check("health.model-ready", "GET .../ready of the model is answered by 200.", Level.MUST, sources.MODEL_READY)
def model_ready(target: Target) -> str:
    answer = target.get(f"{target.path}/ready")
    require(answer.status == 200, answer)
    return str(answer)


@check("health.model-ready-name", "The body of .../ready names the model.", Level.SHOULD, sources.MODEL_READY_BODY)
def model_ready_name(target: Target) -> str:
    said = answered(target.get(f"{target.path}/ready"))
    require(said.get("name") == target.model, short(said))
    return short(said)


@check("health.model-ready-object", 'The body of .../ready has "ready": true.', Level.SHOULD, sources.MODEL_READY_BODY)
def model_ready_object(target: Target) -> str:
    said = answered(target.get(f"{target.path}/ready"))
    require(said.get("ready") is True, short(said))
    return short(said)


@check("health.unknown-model", "A model that is not there is not said to be ready.", Level.MUST, sources.MODEL_READY)
def unknown_model(target: Target) -> str:
    answer = target.get(f"/v2/models/{UNKNOWN}/ready")
    is_refused = answer.status >= 400
    said = None if is_refused else parsed(answer.body)
    require(is_refused or (isinstance(said, dict) and said.get("ready") is False), answer)
    return str(answer)
