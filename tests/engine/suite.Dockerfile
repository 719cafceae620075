# Rollcall's image with the suite's own packages behind those of the image: what is in both is the image's.
ARG PYTHON_IMAGE
ARG ROLLCALL_IMAGE
FROM ${PYTHON_IMAGE} AS development
COPY requirements-dev.lock /
RUN python -m venv --without-pip /opt/development \
    && python -m pip --python /opt/development/bin/python install --quiet --no-cache-dir --no-compile \
        --require-hashes --no-deps --only-binary :all: -r /requirements-dev.lock

FROM ${ROLLCALL_IMAGE}
COPY --from=development /opt/development /opt/development
USER 0
# Read last of all: `tests` is found in /suite, `ingest` where the image has it.
RUN printf '%s\n' /opt/development/lib/python3.*/site-packages /suite \
        > "$(echo /opt/rollcall/lib/python3.*/site-packages)/zz-development.pth"
USER 10001:10001
