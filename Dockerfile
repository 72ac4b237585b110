# One image for every part of StreamStats; what a container is depends on its command (see compose.yaml).
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /app

# Before the code, so that a change of code does not install everything again.
COPY requirements.txt .
RUN pip install -r requirements.txt

COPY . .
# None of these addresses is opened; with them set, no key and no embedded server is made either.
RUN DATABASE_URL=postgres://build/build REDIS_URL=redis://build SECRET_KEY=build \
    python manage.py collectstatic --no-input

# The reader keeps lines here while Redis is away: mount a volume.
RUN useradd --system --uid 10001 --home-dir /data --create-home streamstats
USER streamstats
# What is here belongs to this user, also in the volumes that are made of it.
RUN mkdir --mode 700 /data/media
ENV STREAMSTATS_HOME=/data \
    LOG_JSON=true
VOLUME /data

EXPOSE 8000
CMD ["uvicorn", "streamstats.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--lifespan", "off", \
     "--no-access-log", "--timeout-graceful-shutdown", "5"]
