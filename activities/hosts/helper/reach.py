# The same as reach.pl, which says what it does, for hosts without perl. Works with Python 3.6.
import errno
import os
import select
import signal
import socket
import sys
import time

seconds, patience, word = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
MOST_AT_ONCE = 200
signal.alarm(seconds)
try:
    with open('/proc/self/comm', 'w') as name:
        name.write('redisforge-exam')
except OSError:
    pass


def say(*fields):
    line = '\t'.join(str(field) for field in fields) + '\n'
    try:
        os.write(1, line.encode('utf-8', 'replace'))
    except OSError:
        pass


def family_of(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def clean(text):
    return ''.join(c if ' ' <= c <= '~' else ' ' for c in text)[:120]


listening = {}
rest = sys.argv[4:]
for address, port in zip(rest[0::2], rest[1::2]):
    listener = socket.socket(family_of(address), socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address, int(port)))
        listener.listen(512)
        listener.setblocking(False)
        listening[listener.fileno()] = listener
        say('listening', port)
    except OSError as error:
        listener.close()
        say('deaf', port, os.strerror(error.errno))
say('ready')

opened, waiting = {}, []
asked, begun, ended = b'', False, False


class Try:
    def __init__(self, index, address, port, expected):
        self.index, self.address, self.port, self.expected = index, address, int(port), expected
        self.tries, self.connected, self.said, self.until, self.socket = 0, False, b'', 0, None


def leave(one):
    opened.pop(one.socket.fileno(), None)
    one.socket.close()


def tell(one, outcome, detail=''):
    leave(one)
    say('tried', one.index, outcome, clean(detail))


def again(one, outcome, detail):
    one.tries += 1
    if one.tries > 1:
        tell(one, outcome, detail)
        return
    leave(one)
    begin(one)


def failed(one, number):
    tell(one, 'refused' if number == errno.ECONNREFUSED else 'failed', os.strerror(number))


def begin(one):
    one.socket = socket.socket(family_of(one.address), socket.SOCK_STREAM)
    one.socket.setblocking(False)
    one.connected, one.said, one.until = False, b'', time.monotonic() + patience / 1000
    opened[one.socket.fileno()] = one
    number = one.socket.connect_ex((one.address, one.port))
    if number not in (0, errno.EINPROGRESS):
        failed(one, number)


def connected(one):
    number = one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number != 0:
        failed(one, number)
    elif one.expected == '-':
        tell(one, 'open')
    else:
        one.connected = True


def heard(one):
    try:
        chunk = one.socket.recv(256)
    except BlockingIOError:
        return
    except OSError:
        chunk = b''
    said = one.said.decode('utf-8', 'replace')
    if chunk == b'':
        again(one, 'stranger', 'hung up without a word' if said == '' else 'said: ' + said)
        return
    one.said += chunk
    wanted = (one.expected + '\n').encode()
    if one.said == wanted:
        tell(one, 'open')
    elif not wanted.startswith(one.said):
        tell(one, 'stranger', 'said: ' + one.said.decode('utf-8', 'replace'))


def read_orders():
    global asked, begun
    chunk = os.read(0, 65536)
    if chunk == b'':
        sys.exit(0)
    asked += chunk
    *lines, asked = asked.split(b'\n')
    for line in lines:
        if line == b'go':
            begun = True
        else:
            waiting.append(Try(*line.decode().split(' ', 3)))


def answer(listener):
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        try:
            caller.send((word + '\n').encode())
        except OSError:
            pass
        caller.close()


while True:
    poll = select.poll()
    poll.register(0, select.POLLIN)
    for number in listening:
        poll.register(number, select.POLLIN)
    for number, one in opened.items():
        poll.register(number, select.POLLIN if one.connected else select.POLLOUT)
    for number, _ in poll.poll(50 if opened else None):
        if number in listening:
            answer(listening[number])
        elif number in opened:
            one = opened[number]
            heard(one) if one.connected else connected(one)
        elif number == 0:
            read_orders()
    now = time.monotonic()
    for one in [one for one in opened.values() if one.until < now]:
        if one.connected:
            tell(one, 'stranger', 'took the connection and said nothing')
        else:
            tell(one, 'silent')
    while begun and waiting and len(opened) < MOST_AT_ONCE:
        begin(waiting.pop(0))
    if begun and not waiting and not opened and not ended:
        ended = True
        say('end')
