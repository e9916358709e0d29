import sys

from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "flask"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]), debug="debug" in sys.argv)
