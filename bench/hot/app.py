"""The replaced design in Python: each request reads the document from Redis, decodes it, and has FastAPI encode it."""
import json
import os

import redis.asyncio as redis
from fastapi import FastAPI

app = FastAPI()
cache = redis.from_url(os.environ["BENCH_REDIS_URL"])


@app.get("/document")
async def document():
    return json.loads(await cache.get(os.environ["BENCH_KEY"]))
