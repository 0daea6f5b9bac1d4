"""Puts TLS with ALPN h2 around connections, for judges that speak HTTP/2 in the clear alone.

    relay.py LISTEN_PORT SERVER_PORT
"""

import asyncio
import ssl
import sys

LISTEN, SERVER = int(sys.argv[1]), int(sys.argv[2])

# Who the server is does not matter here: it is on this machine, and was started for this.
CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE
CONTEXT.set_alpn_protocols(["h2"])


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def relay(reader, writer):
    try:
        server = await asyncio.open_connection("127.0.0.1", SERVER, ssl=CONTEXT, server_hostname="localhost")
    except OSError:
        writer.close()
        return
    await asyncio.gather(copy(reader, server[1]), copy(server[0], writer))


async def main():
    async with await asyncio.start_server(relay, "127.0.0.1", LISTEN) as server:
        await server.serve_forever()


asyncio.run(main())
