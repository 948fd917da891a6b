"""Findings on their way from a worker."""

from __future__ import annotations

import socket

from movable.supervise.channel import LONGEST_TEXT_CHARACTERS, Receiver, Sender


def test_records_are_bounded_and_garbage_is_never_read() -> None:
    ours, theirs = socket.socketpair()
    tell, receiver = Sender(theirs.fileno(), "~key~"), Receiver("~key~")
    theirs.send(b'{"kind": "forged"}\n~other~{"kind": "forged"}\nno end')
    tell("found", text="x" * 100_000, deep=[[[["deep"]]]], odd=object, numbers={3, 1})
    theirs.send(b"~key~[" * 20_000 + b'\n~key~[1]\n~key~{"kind": 3}\n')
    tell("last")
    theirs.close()
    data = b""
    while piece := ours.recv(1 << 20):
        data += piece
    found = [record for byte in range(0, len(data), 777) for record in receiver.feed(data[byte : byte + 777])]
    assert [record["kind"] for record in found] == ["found", "last"]
    assert len(found[0]["text"]) < LONGEST_TEXT_CHARACTERS + 60 and "characters more" in found[0]["text"]
    assert found[0]["numbers"] == [1, 3] and receiver.garbage > 100_000
    ours.close()
