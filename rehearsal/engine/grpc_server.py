"""One gRPC server that serves all resource providers to the engine.

The engine attaches to it (`PULUMI_DEBUG_PROVIDERS`) instead of starting plugins. Each provider resource has its own
connection. Requests do not name their provider resource, so the connection's address identifies it.
"""

import base64
import json
import re
import sys
import traceback
from collections.abc import Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from rehearsal.cloud import Cloud
from rehearsal.core.errors import NotReadyError, RefusedError
from rehearsal.core.protocol import Call, Difference, Properties, Severity
from rehearsal.core.wire import PropertyPath, decode, encode

# The engine warns if a plugin is older than the program's SDK. This version is newer than any SDK.
_VERSION = "999.0.0"

# At least as many threads as an engine's parallel operations: four for each processor, on a large machine.
_WORKERS = 64


@contextmanager
def serve(cloud: Cloud, *, port: int = 0) -> Generator[int]:
    """Serve a cloud to the engine; yields the port on the loopback address.

    Args:
        cloud: the cloud.
        port: the port to listen on; 0 takes a free one.
    """
    server = grpc.server(ThreadPoolExecutor(_WORKERS))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(_Provider(cloud), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        server.stop(grace=0).wait()


class _Provider(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._instances: dict[str, Properties] = {}
        self._engines: dict[str, str] = {}

    def Handshake(
        self,
        request: provider_pb2.ProviderHandshakeRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._engines[context.peer()] = request.address
        return empty_pb2.Empty()

    def Cancel(self, request: Message, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: ARG002
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Message, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:  # noqa: ARG002
        return plugin_pb2.PluginInfo(version=_VERSION)

    def Parameterize(
        self,
        request: provider_pb2.ParameterizeRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> provider_pb2.ParameterizeResponse:
        # The package of one module and API version: `pulumi package add azure-native containerservice 2026-06-01`
        # (pulumi-azure-native, provider/pkg/provider/provider_parameterize.go).
        parameter = json.loads(base64.b64decode(request.value.value))
        name = f"azure-native_{parameter['module']}_{parameter['version']}"
        return provider_pb2.ParameterizeResponse(name=name, version=_VERSION)

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        config, secrets = decode(request.news)
        with _answering(context):
            problems = self._cloud.provider(_type_of(request.urn)).check_provider(config)
            return provider_pb2.CheckResponse(inputs=encode(config, secrets), failures=_failures(problems))

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        with _answering(context):
            old, new = decode(request.old_inputs)[0], decode(request.news)[0]
            answer = _difference(self._cloud.provider(_type_of(request.urn)).diff_provider(old, new))
            # The difference of two configurations has keys without values (pulumi-kubernetes, provider.go, DiffConfig).
            answer.ClearField("detailedDiff")
            answer.ClearField("hasDetailedDiff")
            return answer

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        self._instances[context.peer()] = decode(request.args)[0]
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=True)

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        news, secrets = decode(request.news)
        call = self._call(context, request.urn)
        with _answering(context):
            inputs, problems = self._cloud.provider(call.token).check(call, news, decode(request.olds)[0] or None)
            return provider_pb2.CheckResponse(inputs=_encode(inputs, secrets), failures=_failures(problems))

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        call = self._call(context, request.urn)
        with _answering(context):
            return _difference(
                self._cloud.provider(call.token).diff(
                    call, decode(request.old_inputs)[0], decode(request.olds)[0], decode(request.news)[0]
                )
            )

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        inputs, secrets = decode(request.properties)
        call = self._call(context, request.urn, preview=request.preview, timeout=request.timeout)
        with _answering(context, secrets):
            resource_id, outputs = self._cloud.create(call, inputs)
            return provider_pb2.CreateResponse(id=resource_id, properties=_encode(outputs, secrets))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        old_inputs, input_secrets = decode(request.inputs)
        old_outputs, output_secrets = decode(request.properties)
        secrets = input_secrets | output_secrets
        call = self._call(context, request.urn)
        with _answering(context, secrets):
            found = self._cloud.read(call, request.id, old_inputs, old_outputs)
            if found is None:
                return provider_pb2.ReadResponse()
            inputs, outputs = found
            return provider_pb2.ReadResponse(
                id=request.id, inputs=_encode(inputs, input_secrets), properties=_encode(outputs, secrets)
            )

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        inputs, secrets = decode(request.news)
        call = self._call(context, request.urn, preview=request.preview, timeout=request.timeout)
        with _answering(context, secrets):
            outputs = self._cloud.update(call, request.id, decode(request.olds)[0], inputs)
            return provider_pb2.UpdateResponse(properties=_encode(outputs, secrets))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        call = self._call(context, request.urn, timeout=request.timeout)
        with _answering(context):
            self._cloud.delete(call, request.id, decode(request.properties)[0])
            return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        token, api_version = _of_base(request.tok)
        call = Call(token, provider=self._instances.get(context.peer(), {}), api_version=api_version)
        with _answering(context):
            response = provider_pb2.InvokeResponse()
            # `return` is a keyword of Python, so it cannot be an argument's name.
            getattr(response, "return").CopyFrom(encode(self._cloud.invoke(call, decode(request.args)[0])))
            return response

    def _call(self, context: grpc.ServicerContext, urn: str, *, preview: bool = False, timeout: float = 0) -> Call:
        token, api_version = _of_base(_type_of(urn))
        return Call(
            token=token,
            name=urn.rsplit("::", 1)[1],
            preview=preview,
            timeout=timeout or None,
            provider=self._instances.get(context.peer(), {}),
            api_version=api_version,
            urn=urn,
            log=partial(_log, self._engines.get(context.peer(), ""), urn),
        )


def _log(engine: str, urn: str, severity: Severity, message: str) -> None:
    """Let the engine print a message about a resource."""
    with grpc.insecure_channel(engine) as channel:
        level = engine_pb2.LogSeverity.Value("INFO" if severity == "status" else severity.upper())
        engine_pb2_grpc.EngineStub(channel).Log(  # pyright: ignore[reportUnknownMemberType] - generated
            engine_pb2.LogRequest(severity=level, message=message, urn=urn, ephemeral=severity == "status")
        )


def _type_of(urn: str) -> str:
    """Return a resource's type: the last part of the types of its parents and itself."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


_PARAMETERIZED = re.compile(r"(azure-native)_\w+?_v(\d{4})(\d\d)(\d\d)(\w*)(:.*)")


def _of_base(token: str) -> tuple[str, str]:
    """Return the base package's token of the same type, and the package's API version, if any."""
    match = _PARAMETERIZED.fullmatch(token)
    if not match:
        return token, ""
    base, year, month, day, preview, rest = match.groups()
    return f"{base}{rest}", f"{year}-{month}-{day}" + (f"-{preview}" if preview else "")


def _encode(properties: Properties, secrets: Collection[PropertyPath]) -> Struct:
    """Return properties in the engine's form. As in the real provider, all data of a Kubernetes Secret are secret.

    Source: pulumi/pulumi-kubernetes, provider/pkg/provider/provider.go, annotateSecrets.
    """
    if "apiVersion" in properties and "kind" in properties:
        # A list that contains a secret is secret as a whole.
        lists = (
            (path, next((place for place, part in enumerate(path) if isinstance(part, int)), None)) for path in secrets
        )
        secrets = {path[:place] for path, place in lists}
        if properties["kind"] == "Secret":
            data: set[PropertyPath] = {("data",), ("stringData",)}
            secrets = data | {path for path in secrets if path[:1] not in data}
        secrets = secrets | {("__inputs", *path) for path in secrets}
    return encode(properties, secrets)


def _failures(problems: Collection[Any]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=problem.path, reason=problem.reason) for problem in problems]


def _difference(difference: Difference) -> provider_pb2.DiffResponse:
    kind = provider_pb2.PropertyDiff
    if difference.kinds:
        suffix = dict.fromkeys(difference.replaced, "_REPLACE")
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME,
            replaces=difference.replaced,
            deleteBeforeReplace=difference.delete_before_replace,
            detailedDiff={
                path: kind(kind=kind.Kind.Value(change.upper() + suffix.get(path, "")), inputDiff=change == "delete")
                for path, change in difference.kinds.items()
            },
            hasDetailedDiff=True,
        )
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if difference.changed else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({path.partition(".")[0].partition("[")[0] for path in difference.changed}),
        replaces=sorted({path.partition(".")[0].partition("[")[0] for path in difference.replaced}),
        deleteBeforeReplace=difference.delete_before_replace,
        detailedDiff={
            path: kind(kind=kind.UPDATE_REPLACE if path in difference.replaced else kind.UPDATE, inputDiff=True)
            for path in difference.changed
        },
        hasDetailedDiff=True,
    )


@contextmanager
def _answering(context: grpc.ServicerContext, secrets: Collection[PropertyPath] = ()) -> Generator[None]:
    """Turn an operation's exceptions into gRPC errors for the engine."""
    try:
        yield
    except NotReadyError as error:
        failure = provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=_encode(error.outputs, secrets),
            reasons=error.reasons,
            inputs=None if error.inputs is None else _encode(error.inputs, secrets),
        )
        _abort(context, str(error), failure)
    except RefusedError as error:
        _abort(context, str(error))
    except OSError as error:  # such as a full disk
        _abort(context, f"the stand-in cannot write {error.filename}: {error.strerror}")
    except Exception as error:  # noqa: BLE001 - a bug in the stand-in: answer the engine, and print the traceback
        # The error's message is left out: it may quote a kubeconfig or a password.
        sys.stderr.writelines([*traceback.format_tb(error.__traceback__), f"{type(error).__name__}\n"])
        _abort(context, "the stand-in failed; its traceback is above")


def _abort(context: grpc.ServicerContext, message: str, detail: Message | None = None) -> NoReturn:
    if detail is not None:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[packed])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)
