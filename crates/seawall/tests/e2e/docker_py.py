"""docker-py's everyday work: each step asserts what the engine itself answers."""
import io
import sys
import tarfile

import docker

name = sys.argv[1]
client = docker.from_env()
assert client.ping()
assert client.info()["OSType"] == "linux"
assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"

container = client.containers.run("busybox", "sleep 1000", detach=True, name=name)
try:
    assert [c.name for c in client.containers.list(filters={"name": name})] == [name]
    code, output = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 2"], demux=True)
    assert (code, output) == (2, (b"out\n", b"err\n")), (code, output)

    # An exec with its socket: written to, half-closed, read to the end.
    made = client.api.exec_create(container.id, ["cat"], stdin=True)
    sock = client.api.exec_start(made["Id"], socket=True)
    raw = getattr(sock, "_sock", sock)
    raw.sendall(b"over the socket")
    received = b""
    while b"over the socket" not in received:
        received += raw.recv(4096)
    raw.close()

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        entry = tarfile.TarInfo("file")
        entry.size = 4
        tar.addfile(entry, io.BytesIO(b"text"))
    assert container.put_archive("/root", data.getvalue())
    chunks, stat = container.get_archive("/root/file")
    assert stat["size"] == 4
    assert b"text" in b"".join(chunks)
    assert container.stats(stream=False)["id"] == container.id
    assert "sleep" in str(container.top())
    container.rename(name + "-renamed")
    container.update(cpu_shares=300)
finally:
    container.remove(force=True)

image, log = client.images.build(
    fileobj=io.BytesIO(b"FROM busybox\nRUN echo built\n"), tag=name, rm=True)
assert any("Successfully built" in str(line) for line in log)
saved = b"".join(image.save(named=True))
client.images.remove(name)
assert client.images.load(saved)[0].tags == [name + ":latest"]
client.images.remove(name)

volume = client.volumes.create(name)
volume.remove()
network = client.networks.create(name)
network.remove()
try:
    client.containers.get("nobody")
    raise AssertionError("found")
except docker.errors.NotFound as error:
    assert "No such container" in str(error)
print("done")
