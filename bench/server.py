"""A local OpenAI-compatible server that streams as fast as its reader takes it: `python bench/server.py [CHUNKS]`.

It prints its port on the first line and ends when its stdin closes, so that no server outlives its bench.
Each chunk is one write of its own, with a turn of the loop between two, as tokens come from a vendor.
"""

from __future__ import annotations

import asyncio
import json
import sys

WORDS = ["the ", "river ", "冰", "雪", "sleeps ", "under ", "glass; ", "one ", "crow ", "counts ", "winter.\n"]


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def body(chunks: int) -> list[bytes]:
    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        value = {
            "id": "chatcmpl-0123456789abcdef",
            "object": "chat.completion.chunk",
            "created": 1795310400,
            "model": "bench",
            "system_fingerprint": "fp_0",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}],
            "usage": None,
        }
        return chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": chunks, "total_tokens": chunks + 9}}
    parts = [event({"reasoning_content": WORDS[i % len(WORDS)]}) for i in range(chunks // 2)]
    parts += [event({"content": WORDS[i % len(WORDS)] + str(i)}) for i in range(chunks - chunks // 2)]
    parts += [event({}, "stop"), chunk(b"data: " + json.dumps(usage).encode() + b"\n\n")]
    return [*parts, chunk(b"data: [DONE]\n\n") + chunk(b"")]


async def serve(chunks: int) -> None:
    parts = body(chunks)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).lower()
                if b"content-length:" in request:
                    length = request.split(b"content-length:")[1].split(b"\r\n")[0]
                    await reader.readexactly(int(length))
                writer.write(head)
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
