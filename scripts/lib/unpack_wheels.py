"""unpack_wheels.py FOLDER WHEEL...: unpacks wheels that pip has fetched and verified.

A file has its name only when it is whole, and a wheel's dist-info folder, which says that the wheel
is there, comes last: an interrupted call leaves nothing behind that looks finished.
"""

import concurrent.futures
import os
import re
import shutil
import sys
import zipfile

# What belongs outside the folder of packages: commands, manual pages.
ELSEWHERE = re.compile(r"[^/]+\.data/")


def is_needed(name):
    return not ELSEWHERE.match(name) and not name.endswith("/")


def unpack_file(archive, name, folder):
    path = os.path.normpath(os.path.join(folder, name))
    if not path.startswith(os.path.join(folder, "")):
        raise ValueError(f"{name} would be written outside {folder}")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with archive.open(name) as source, open(path + ".part", "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    if archive.getinfo(name).external_attr >> 16 & 0o111:  # the mode, as Unix zips have it
        os.chmod(path + ".part", 0o755)
    os.replace(path + ".part", path)


def main(folder, *wheels):
    folder = os.path.abspath(folder)
    # Threads may read from one ZipFile together: it guards its file with a lock.
    archives = [zipfile.ZipFile(wheel) for wheel in wheels]
    members = [(a, m) for a in archives for m in a.infolist() if is_needed(m.filename)]
    # The largest first, so that no thread is left with one at the end.
    members.sort(key=lambda member: -member[1].file_size)
    for last in (False, True):
        names = [(a, m.filename) for a, m in members if (".dist-info/" in m.filename) == last]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            # Asking for the results is what raises an error of a thread.
            list(threads.map(lambda name: unpack_file(*name, folder), names))


main(*sys.argv[1:])
