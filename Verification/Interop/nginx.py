"""Starts nginx in a room, with the directives of a step."""

from harness import program

CONFIGURATION = """
daemon off;
worker_processes {workers};
pid {room}/nginx.pid;
error_log stderr;
{ahead}
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {room}/temporary;
    proxy_temp_path {room}/temporary;
    fastcgi_temp_path {room}/temporary;
    uwsgi_temp_path {room}/temporary;
    scgi_temp_path {room}/temporary;
    {http}
}}
{beside}
"""


def start_nginx(room, port=None, http="", ahead="", beside="", workers=1):
    """Starts nginx with these directives in its http block, ahead of all blocks and beside that one.

    Waits for a port; without one, the caller has to wait, so that a check does not add a connection. Returns the
    process.
    """
    file = room.path / "nginx.conf"
    file.write_text(CONFIGURATION.format(room=room.path, http=http, ahead=ahead, beside=beside, workers=workers))
    nginx = program("nginx", "nginx")
    process = room.start([nginx, "-p", room.path, "-e", "stderr", "-c", file], **room.as_unprivileged())
    if port:
        room.wait_for_port(process, "nginx", port)
    return process
