"""A device whose items are the lines of standard input. Ends after the end of the input, once every item is acknowledged.

    echo '{"ip":"10.20.30.40"}' | python3 main.py 127.0.0.1 7000 device-17 [lines|length] [TOKEN|-] [CA]

With the file of an authority, the connection has TLS."""

import select
import sys

from holdfast_device import Device


def tls(authority, host):
    """Returns a function that encrypts a connection, and verifies the gateway."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    return lambda connection: context.wrap_socket(connection, server_hostname=host)


def keep(device, line):
    """Adds the line. Returns False if the memory is full."""
    try:
        return device.add(line)
    except ValueError:
        print("no item: %s" % line.strip(), file=sys.stderr)
        return True


def main():
    host, port, name = sys.argv[1:4]
    framing, token = sys.argv[4] if len(sys.argv) > 4 else "lines", sys.argv[5] if len(sys.argv) > 5 else None
    wrap = tls(sys.argv[6], host) if len(sys.argv) > 6 else None
    device = Device(host, int(port), name, token=None if token == "-" else token, wrap=wrap, length=framing == "length", on_message=print,
                    on_refused=lambda seq, reason: print("item %d was refused: %s" % (seq, reason)))
    source = open(0, "rb", 0)  # poll() does not see what a buffer has
    waiting, ended = "", False
    ready = select.poll()
    ready.register(source, select.POLLIN)
    while not ended or waiting or device.pending():
        if not waiting and not ended and ready.poll(0):
            waiting = source.readline().decode()
            ended = waiting == ""
        if waiting and keep(device, waiting):
            waiting = ""
            continue
        device.poll(20)
    device.close()


main()
