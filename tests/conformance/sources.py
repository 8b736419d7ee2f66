"""The sentences of the protocol that the checks come from.

REST is specification/protocol/inference_rest.md and YAML open_inference_rest.yaml of kserve/open-inference-protocol;
BINARY is docs/protocol/extension_binary_data.md of triton-inference-server/server.
"""

from __future__ import annotations

from typing import NamedTuple

REST = "inference_rest.md"
YAML = "open_inference_rest.yaml"
BINARY = "extension_binary_data.md"


class Source(NamedTuple):
    """A sentence or a few words of the protocol, the document and the section that it stands in."""

    document: str
    section: str
    quote: str

    def __str__(self) -> str:
        """Where it stands, and what it says."""
        return f"{self.document}, {self.section}: {self.quote}"


API = Source(REST, "HTTP/REST", "| Inference | POST | v2/models/<model_name>[/versions/<model_version>]/infer |")
VERBS = Source(REST, "HTTP/REST", "| API | Verb | Path |: Server Live is GET v2/health/live")
JSON = Source(
    REST,
    "HTTP/REST",
    "In all JSON schemas [...] $number, $string, $boolean, $object and $array refer to the JSON types",
)

LIVE = Source(REST, "API Definitions", '"server live" [...] is able to receive and respond to metadata and inference')
LIVE_BODY = Source(REST, "Server Live", '$live_server_response = { "live" : $bool }')
READY = Source(REST, "API Definitions", '"server ready" [...] indicates if all the models are ready for inferencing')
READY_BODY = Source(REST, "Server Ready", '$ready_server_response = { "live" : $bool }')
MODEL_READY = Source(REST, "API Definitions", "indicates if a specific model is ready for inferencing")
MODEL_READY_BODY = Source(REST, "Model Ready", '$ready_model_response = { "name" : $string, "ready": $bool }')

SERVER = Source(REST, "Server Metadata", "A successful server metadata request is indicated by a 200 HTTP status code")
SERVER_FIELDS = Source(
    YAML, "metadata_server_response", "required: name, version, extensions; extensions: array of string"
)
SERVER_PATH = Source(YAML, "paths", "/v2/: get: summary: Server Metadata (the text writes v2)")
SERVER_JSON = Source(YAML, "paths", "/v2/: responses: '200': content: application/json")

MODEL = Source(REST, "Model Metadata", "A successful model metadata request is indicated by a 200 HTTP status code")
MODEL_JSON = Source(YAML, "paths", "/v2/models/${MODEL_NAME}/...: responses: '200': content: application/json")
MODEL_NAME = Source(REST, "Model Metadata", '"name" : The name of the model')
MODEL_FIELDS = Source(YAML, "metadata_model_response", "required: name, platform")
PLATFORMS = Source(REST, "Platforms", 'Platform names use the format "<project>_<format>"')
ALLOWED_PLATFORMS = Source(REST, "Platforms", "The following platform names are allowed: tensorrt_plan, ...")
MODEL_INPUTS = Source(REST, "Model Metadata", '"inputs" : The inputs required by the model')
MODEL_OUTPUTS = Source(REST, "Model Metadata", '"outputs" : The outputs produced by the model')
METADATA_TENSOR = Source(YAML, "metadata_tensor", "required: name, datatype, shape")
METADATA_DATATYPE = Source(REST, "Model Metadata", "data-type of the tensor elements as defined in Tensor Data Types")
METADATA_SHAPE = Source(REST, "Model Metadata", "Variable-size dimensions are specified as -1")
MODEL_ERROR = Source(
    REST, "Model Metadata", "A failed model metadata request must be indicated by an HTTP error status (typically 400)"
)
MODEL_ERROR_OBJECT = Source(
    REST, "Model Metadata", 'The HTTP body must contain the $metadata_model_error_response object, { "error": $string }'
)

VERSIONS = Source(
    REST, "Model Metadata", "model versions that may be explicitly requested via the appropriate endpoint"
)
NO_VERSION = Source(
    REST, "Model Metadata", "If a version is not provided the server may choose a version [...] or return an error"
)
MODEL_VERSION = Source(REST, "Inference Response", '"model_version" : The specific model version used for inference')
MODEL_VERSION_STRING = Source(YAML, "inference_response", "model_version: type: string")
UNVERSIONED = Source(
    REST, "Inference Response", "servers that do not implement versioning should not provide this field in the response"
)

INFER = Source(REST, "Inference Response", "A successful inference request is indicated by a 200 HTTP status code")
INFER_JSON = Source(YAML, "paths", ".../infer: post: responses: '200': content: application/json")
REQUEST_JSON = Source(REST, "Inference Request Examples", "Content-Type: application/json")
RESPONSE_FIELDS = Source(YAML, "inference_response", "required: model_name, outputs")
RESPONSE_OUTPUT = Source(YAML, "response_output", "required: name, shape, datatype, data")
RESPONSE_SHAPE = Source(
    REST, "Response Output", "Each dimension must be an integer representable as an unsigned 64-bit integer value"
)
RESPONSE_DATATYPE = Source(REST, "Response Output", "The data-type of the output tensor elements as defined in [...]")
RESPONSE_BATCH = Source(
    REST,
    "Response Output",
    "If the output is batched, the shape and data represents the full shape of the entire batch",
)
ID = Source(REST, "Inference Request", "if specified this identifier must be returned in the response")
NO_ID = Source(REST, "Inference Response", '"id" : The "id" identifier given in the request, if any')
ID_STRING = Source(YAML, "inference_response", "id: type: string")
ALL_OUTPUTS = Source(REST, "Inference Request", "if not specified all outputs produced by the model will be returned")
OUTPUTS = Source(REST, "Request Output", "used to request which output tensors should be returned from the model")
REQUIRED_OUTPUT = Source(REST, "Inference Request Examples", 'the inference server must return the "output0" output')
PARAMETERS = Source(
    REST, "Parameters", "A server can implement server-specific parameters to provide non-standard capabilities"
)
PARAMETER = Source(REST, "Parameters", "$parameter = $string : $string | $number | $boolean")
ROW_MAJOR = Source(REST, "Tensor Data", "Tensor data must be presented in row-major order of the tensor elements")
NESTED = Source(
    REST,
    "Tensor Data",
    "may be presented in their nature multi-dimensional representation, or as a flattened [...] one",
)
ELEMENTS = Source(
    REST, "Tensor Data", "Each element of the array may be an integer, floating-point number, string or boolean value"
)
COERCED = Source(
    REST, "Tensor Data", "The server can decide to coerce each element to the required type or return an error"
)
LINEAR = Source(REST, "Tensor Data", 'values must be given in "linear" order without any stride or padding')
REQUEST_BATCH = Source(
    REST, "Request Input", "If the input is batched, the shape and data must represent the full shape and contents"
)
INPUT_NAME = Source(REST, "Request Input", '"name" : The name of the input tensor')
INPUT_SHAPE = Source(
    REST, "Request Input", "Each dimension must be an integer representable as an unsigned 64-bit integer value"
)
INPUT_DATATYPE = Source(REST, "Request Input", '"datatype" : The data-type of the input tensor elements')
INPUT_FIELDS = Source(YAML, "request_input", "required: name, shape, datatype, data")
REQUEST_FIELDS = Source(YAML, "inference_request", "required: inputs; id: string; inputs, outputs: array")
ERROR = Source(REST, "Inference Response Error", "A failed inference request must be indicated by an HTTP error status")
ERROR_400 = Source(REST, "Inference Response Error", "an HTTP error status (typically 400)")
ERROR_OBJECT = Source(
    REST, "Inference Response Error", "The HTTP body must contain the $inference_error_response object"
)
ERROR_MESSAGE = Source(REST, "Inference Response Error", '"error" : The descriptive message for the error')
ERROR_JSON = Source(YAML, "paths", ".../infer: post: responses: '400': content: application/json")

BINARY_LISTED = Source(BINARY, "Binary Tensor Data Extension", 'reports "binary_tensor_data" in the extensions field')
BINARY_DATA = Source(
    BINARY, "Binary Tensor Data Extension", "little-endian byte order, row major, without stride or padding"
)
BINARY_ORDER = Source(
    BINARY,
    "Binary Tensor Data Extension",
    "in the same order as the order of the input or output tensors [...] in JSON",
)
BINARY_SIZE = Source(BINARY, "Binary Tensor Data Extension", "indicating the size of the tensor binary data, in bytes")
BINARY_BYTES = Source(
    BINARY, "Binary Tensor Data Extension", "a 4-byte unsigned integer giving the length followed by the actual bytes"
)
BINARY_BOOL = Source(
    BINARY, "Binary Tensor Data Extension", "BOOL type element true is a single byte with value 1 and false [...] 0"
)
BINARY_OUTPUT = Source(
    BINARY, "Binary Tensor Data Extension", '"binary_data" : [...] true if the output should be returned as binary data'
)
BINARY_OUTPUTS = Source(
    BINARY,
    "Binary Tensor Data Extension",
    '"binary_data_output" : [...] true if all outputs should be returned as binary',
)
BINARY_OVERRIDE = Source(
    BINARY, "Binary Tensor Data Extension", 'If "binary_data" is specified on an output it overrides this setting'
)
BINARY_HEADER = Source(
    BINARY, "Binary Tensor Data Extension", "the Inference-Header-Content-Length header must be provided"
)
BINARY_TYPE = Source(BINARY, "Examples", "Content-Type: application/octet-stream")
