"""Delays what passes between TCP clients and servers, each way, as a network would.

    relay.py DELAY_US LISTEN_PORT:TARGET_PORT...

All on 127.0.0.1; prints a line when it listens, and ends when its standard input does. What comes before the delay of an earlier piece is over has a time of
its own: pieces do not wait for one another. To open a connection takes no longer than without it.
"""

import collections
import ctypes
import select
import socket
import sys
import time

PIECE = 1 << 18
PR_SET_TIMERSLACK = 29

delay = int(sys.argv[1]) / 1e6
# Else the kernel rounds short sleeps up by 50 µs.
ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)

listeners = {}
for pair in sys.argv[2:]:
    near, far = map(int, pair.split(":"))
    listeners[socket.create_server(("127.0.0.1", near), backlog=512)] = far

peers = {}
ended = set()  # of which nothing more is read
waiting = collections.deque()  # (due, socket, piece), the earliest first
unsent = {}  # what a socket does not take now


def accept(listener):
    near, _ = listener.accept()
    try:
        far = socket.create_connection(("127.0.0.1", listeners[listener]))
    except OSError:
        near.close()
        return
    for end, other in ((near, far), (far, near)):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peers[end] = other


def receive(one):
    try:
        piece = one.recv(PIECE)
    except OSError:
        piece = b""
    if not piece:
        ended.add(one)
    waiting.append((time.monotonic() + delay, peers[one], piece))


def deliver(to, piece):
    if to not in peers:
        return
    if not piece:
        close(to)
    elif to in unsent:
        unsent[to] += piece
    else:
        send(to, piece)


def send(to, piece):
    try:
        sent = to.send(piece)
    except BlockingIOError:
        sent = 0
    except OSError:
        close(to)
        return
    if sent < len(piece):
        unsent[to] = piece[sent:]
    else:
        unsent.pop(to, None)


def close(one):
    for end in (one, peers[one]):
        peers.pop(end)
        ended.discard(end)
        unsent.pop(end, None)
        end.close()


print("listening", flush=True)
while True:
    patience = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    sources = [one for one in peers if one not in ended]
    readable, writable, _ = select.select([sys.stdin, *listeners, *sources], list(unsent), [], patience)
    for one in readable:
        if one is sys.stdin:
            sys.exit(0)
        elif one in listeners:
            accept(one)
        elif one in peers:
            receive(one)
    for one in writable:
        if one in unsent:
            send(one, unsent[one])
    while waiting and waiting[0][0] <= time.monotonic():
        _, to, piece = waiting.popleft()
        deliver(to, piece)
