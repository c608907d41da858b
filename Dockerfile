# docker build -t i2v-search .
# docker run --rm -v ~/art:/art:ro -v i2v-search:/data i2v-search build /art
# docker run --rm -p 127.0.0.1:8800:8800 -e I2V_SEARCH_TOKEN=choose-one -v ~/art:/art:ro -v i2v-search:/data i2v-search
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY i2v_search i2v_search
RUN python -m venv /opt/i2v-search \
    && /opt/i2v-search/bin/pip install --no-cache-dir --no-compile -c constraints.txt '.[formats,milvus,text]'

FROM python:3.12-slim
COPY --from=build /opt/i2v-search /opt/i2v-search
RUN useradd --create-home --uid 1000 art && install -d -o art -g art /data
USER art
WORKDIR /data
ENV PATH=/opt/i2v-search/bin:$PATH XDG_CACHE_HOME=/data/cache XDG_CONFIG_HOME=/data/config XDG_DATA_HOME=/data/share \
    PYTHONDONTWRITEBYTECODE=1
VOLUME /data
EXPOSE 8800
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8800), 5)"]
ENTRYPOINT ["i2v-search"]
CMD ["serve", "--host", "0.0.0.0", "--no-open"]
