"""Python runs this at the start of every process under test_nothing_phones_home.py: what leaves the loopback is noted and refused."""

import os
import sys
import traceback

RECORD = os.open(os.environ["PHONE_HOME_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
LOCAL_NAMES = {None, "", "localhost", "ip6-localhost", "::", "::1", "0.0.0.0"}
LOOK_UPS = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0, "socket.gethostbyaddr": 0}
SENDS = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1}


def is_local(host):
    name = host.decode("utf-8", "replace") if isinstance(host, bytes) else host
    return name in LOCAL_NAMES or str(name).startswith(("127.", "::ffff:127."))


def watch(event, args):
    if event in LOOK_UPS:
        host = args[0]
    elif event in SENDS and isinstance(args[1], tuple):  # a Unix socket's address is a text, and stays on this machine
        host = args[1][0]
    else:
        return
    if not is_local(host):
        frames = [f"{f.filename}:{f.lineno}" for f in traceback.extract_stack()[:-1] if "/importlib" not in f.filename]
        os.write(RECORD, f"{event} {host} from {' < '.join(reversed(frames[-6:]))}\n".encode())
        raise ConnectionRefusedError(f"{event} to {host}: nothing may leave the loopback here")


sys.addaudithook(watch)
