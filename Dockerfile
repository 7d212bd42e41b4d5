# One image for the collector, the simulator, the service, its worker and the dashboard; docker-compose.yml says which process a container runs.
FROM python:3.13-slim
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
 && useradd --system --no-create-home gauntlet \
 && install -d -o gauntlet /data
USER gauntlet
