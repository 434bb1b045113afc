"""Opens a page on this machine to try a network by hand, or writes one that needs no server.

    jaxcnn demo --workdir runs/digits [--port 8000] [--neighbours TABLE.npz]
    jaxcnn demo --workdir runs/digits,weights/lite0 --static site --ort package/dist

The page shows the five most probable classes of an image that is dropped, pasted or drawn, where
the network finds evidence for each, and what it says when a grey square hides a part. Tables of
neighbours come from jaxcnn visualize features --save. --static writes a folder that any file
server can serve: the network runs in the browser, by onnxruntime-web's files (docs/pages.md says
how to get them). Exit codes: 0 done, 1 failed, 2 a flag or data that cannot work.
"""

import argparse

from jaxcnn.commands.ending import ended
from jaxcnn.errors import ConfigError
from jaxcnn.run import logs


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--workdir", required=True, help="a run or imported weights; with --static also several")
    add("--best", action="store_true", help="the best checkpoint instead of the newest")
    add("--port", type=int, default=8000, help="on 127.0.0.1; 0: a free one (default: %(default)s)")
    add("--neighbours", default="", metavar="TABLE.npz", help="features of training images")
    add("--static", metavar="DIR", help="write a folder that needs no Python instead")
    add("--ort", metavar="DIR", help="with --static: the folder dist/ of npm's onnxruntime-web")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Serves until Ctrl-C, or writes the folder; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    workdirs = [text for text in args.workdir.split(",") if text]
    return ended(lambda: (static if args.static else serve)(args, workdirs))


def serve(args: argparse.Namespace, workdirs: list[str]) -> None:
    """Answers on 127.0.0.1 until Ctrl-C."""
    from jaxcnn.pages.network import Network
    from jaxcnn.pages.server import ADDRESS, make_server

    if args.ort:
        raise ConfigError("--ort belongs to --static; leave it out")
    if len(workdirs) != 1:
        raise ConfigError(f"the server shows one network, not {len(workdirs)}; --static several")
    network = Network(workdirs[0], table=args.neighbours, best=args.best)
    with make_server(network, args.port) as server:
        print(f"http://{ADDRESS}:{server.server_address[1]}/  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def static(args: argparse.Namespace, workdirs: list[str]) -> None:
    """Writes the folder of a demo that runs in the browser alone."""
    from jaxcnn.pages.static import write_static

    if not args.ort:
        raise ConfigError(
            "--static needs --ort, the folder dist/ of the npm package onnxruntime-web: npm pack "
            "onnxruntime-web && tar xzf onnxruntime-web-*.tgz, then --ort package/dist"
        )
    if args.neighbours:
        raise ConfigError("--neighbours needs the server; leave it or --static out")
    print(write_static(workdirs, args.static, args.ort, best=args.best))
