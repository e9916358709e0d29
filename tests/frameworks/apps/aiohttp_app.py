import sys

from aiohttp import web


async def index(request):
    return web.Response(text="aiohttp")


app = web.Application()
app.router.add_get("/", index)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), reuse_port="reuse" in sys.argv, print=None)
