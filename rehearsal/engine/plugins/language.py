#!/usr/bin/env python
"""Runs policy packs for an engine without a language plugin, which only a full installation of Pulumi has.

The rehearsal links it into the engine's home. It implements only the part of the protocol that starts a policy pack
(pulumi v3.259.0 and v3.274.1, pkg/resource/plugin/plugin.go, ExecPlugin). The Automation API runs programs.
"""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2


class _Python(language_pb2_grpc.LanguageRuntimeServicer):
    def GetPluginInfo(self, request: object, context: object) -> plugin_pb2.PluginInfo:
        del request, context
        return plugin_pb2.PluginInfo()

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        engine, pack = request.args[0], request.info.program_directory
        with subprocess.Popen(  # noqa: S603 - no shell; its standard error is this plugin's
            [sys.executable, "-u", "-m", "pulumi.policy", engine, pack],
            cwd=pack,
            env=dict(variable.split("=", 1) for variable in request.env),
            stdout=subprocess.PIPE,
        ) as process:
            if not context.add_callback(process.terminate):
                process.terminate()
            for line in process.stdout or ():
                yield language_pb2.RunPluginResponse(stdout=line)
            yield language_pb2.RunPluginResponse(exitcode=process.wait())


server = grpc.server(ThreadPoolExecutor())
language_pb2_grpc.add_LanguageRuntimeServicer_to_server(_Python(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
sys.stdout.write(f"{port}\n")
sys.stdout.flush()
with suppress(KeyboardInterrupt):  # how the engine ends it
    server.wait_for_termination()
