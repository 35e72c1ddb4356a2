"""Starts nginx in a sandbox, with the directives of a step."""

from harness import program

CONFIGURATION = """
daemon off;
worker_processes {workers};
pid {sandbox}/nginx.pid;
error_log stderr;
{ahead}
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {sandbox}/temporary;
    proxy_temp_path {sandbox}/temporary;
    fastcgi_temp_path {sandbox}/temporary;
    uwsgi_temp_path {sandbox}/temporary;
    scgi_temp_path {sandbox}/temporary;
    {http}
}}
{beside}
"""


def start_nginx(sandbox, port=None, http="", ahead="", beside="", workers=1):
    """Starts nginx with these directives in its http block, ahead of all blocks and beside that one.

    Waits for a port; without one, the caller has to wait, so that a check does not add a connection. Returns the
    process.
    """
    file = sandbox.path / "nginx.conf"
    file.write_text(CONFIGURATION.format(sandbox=sandbox.path, http=http, ahead=ahead, beside=beside, workers=workers))
    nginx = program("nginx", "nginx")
    process = sandbox.start([nginx, "-p", sandbox.path, "-e", "stderr", "-c", file], **sandbox.as_unprivileged())
    if port:
        sandbox.wait_for_port(process, "nginx", port)
    return process
