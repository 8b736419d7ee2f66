"""The versions of a model that may be asked for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from .. import sources
from ..check import Level, applies, check, require
from ..reading import answered, error_of, inference, items, short, text
from ..target import request_of
from ..tensors import are_close

if TYPE_CHECKING:
    from ..target import Target

UNKNOWN = "no-such-version"


@check("versions.array", '"versions" is an array of strings, where there is one.', Level.MUST, sources.VERSIONS)
def array(target: Target) -> str:
    found = answered(target.get(target.path))
    applies("versions" in found, "the metadata have no versions, which are optional")
    return short([text(each, "a version") for each in items(found["versions"], '"versions"')])


@check("versions.metadata", "Each version has metadata, under the same name.", Level.MUST, sources.VERSIONS)
def metadata(target: Target) -> str:
    for version in _versions(target):
        found = answered(target.get(_path(target, version)))
        require(found.get("name") == target.model, f"{version}: {short(found)}")
    return short(target.versions)


@check("versions.ready", "Each version is ready.", Level.MUST, sources.MODEL_READY)
def ready(target: Target) -> str:
    for version in _versions(target):
        answer = target.get(f"{_path(target, version)}/ready")
        require(answer.status == 200, f"{version}: {answer}")
    return short(target.versions)


@check("versions.infer", "Each version answers a request.", Level.MUST, sources.VERSIONS)
def infer(target: Target) -> str:
    for version in _versions(target):
        request = request_of(target.sample())
        require(bool(inference(target.post(request, path=f"{_path(target, version)}/infer")).outputs), "no outputs")
    return short(target.versions)


@check("versions.named", "The answer names the version that was asked for.", Level.MUST, sources.MODEL_VERSION)
def named(target: Target) -> str:
    for version in _versions(target):
        answer = target.post(request_of(target.sample()), path=f"{_path(target, version)}/infer")
        found = inference(answer).said.get("model_version", version)
        require(found == version, f"{version} was asked for, and {short(found)} answered")
    return short(target.versions)


@check("versions.string", "A model_version of an answer is a string.", Level.MUST, sources.MODEL_VERSION_STRING)
def string(target: Target) -> str:
    said = target.plain().said
    applies("model_version" in said, "the answer names no version, which is optional")
    return text(said["model_version"], "the model_version")


@check("versions.chosen", "Without a version, one of those listed answers.", Level.SHOULD, sources.NO_VERSION)
def chosen(target: Target) -> str:
    versions = _versions(target)
    found = target.plain().said.get("model_version")
    applies(found is not None, "the answer names no version, which is optional")
    require(found in versions, f"{short(found)} answered, of {short(versions)}")
    return short(found)


@check("versions.same", "One version alone and no version give the same outputs.", Level.SHOULD, sources.NO_VERSION)
def same(target: Target) -> str:
    versions = _versions(target)
    applies(len(versions) == 1, f"there are {len(versions)} versions")
    plain = target.plain()
    other = inference(target.post(request_of(target.sample()), path=f"{_path(target, versions[0])}/infer"))
    pairs = zip(plain.outputs, other.outputs, strict=False)
    require(plain.names == other.names and all(are_close(*pair) for pair in pairs), "they differ")
    return "the same"


@check(
    "versions.unlisted",
    'Without versions there is no "model_version", unless it may be asked for.',
    Level.SHOULD,
    sources.UNVERSIONED,
)
def unlisted(target: Target) -> str:
    applies(not target.versions, "the model has versions")
    found = target.plain().said.get("model_version")
    is_known = isinstance(found, str) and target.get(_path(target, found)).status == 200
    require(found is None or is_known, f"model_version is {short(found)}, and there is no such version")
    return f"{short(found)}, which may be asked for" if is_known else "there is none"


@check("versions.unknown", "The metadata of a version that is not there are refused.", Level.MUST, sources.MODEL_ERROR)
def unknown(target: Target) -> str:
    return error_of(target.get(_path(target, UNKNOWN)))


@check(
    "versions.unknown-ready", "A version that is not there is not said to be ready.", Level.MUST, sources.MODEL_READY
)
def unknown_ready(target: Target) -> str:
    answer = target.get(f"{_path(target, UNKNOWN)}/ready")
    require(answer.status >= 400, answer)
    return str(answer)


@check("versions.unknown-infer", "Inference by a version that is not there is refused.", Level.MUST, sources.ERROR)
def unknown_infer(target: Target) -> str:
    return error_of(target.post(request_of(target.sample()), path=f"{_path(target, UNKNOWN)}/infer"))


def _path(target: Target, version: str) -> str:
    return f"{target.path}/versions/{quote(version, safe='')}"


def _versions(target: Target) -> tuple[str, ...]:
    applies(bool(target.versions), "the metadata list no versions, which are optional")
    return target.versions
