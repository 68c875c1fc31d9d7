"""Asks a TensorBoard server what its HPARAMS tab shows of the runs in a folder.

    python tests/hparams_check.py FOLDER

Starts TensorBoard on a free port, as a user would, and reads the plugin's own pages.
"""
import json
import socket
import subprocess
import sys
import time
import urllib.request


def ask(port, page, body):
    address = f"http://127.0.0.1:{port}/data/plugin/hparams/{page}"
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def main(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--port", str(port), "--host", "127.0.0.1"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        groups = []
        for _ in range(60):
            time.sleep(1)
            try:
                asked = ask(port, "experiment", {"experimentName": ""})
                columns = [{"metric": info["name"]} for info in asked.get("metricInfos", [])]
                wanted = {
                    "experimentName": "",
                    "allowedStatuses": ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"],
                    "colParams": columns,
                    "startIndex": 0,
                    "sliceSize": 100,
                }
                groups = ask(port, "session_groups", wanted).get("sessionGroups", [])
            except OSError:
                continue
            if groups and all(group.get("metricValues") for group in groups):
                break
        assert groups, "the tab shows no run"
        for group in groups:
            metrics = {m["name"]["tag"]: round(m["value"], 4) for m in group["metricValues"]}
            status = group["sessions"][0].get("status")
            assert metrics and "seed" in group["hparams"], group
            print(f"{group['sessions'][0]['name']}: {status}, {len(group['hparams'])} settings, {metrics}")
    finally:
        server.terminate()
        server.wait()


main(*sys.argv[1:])
