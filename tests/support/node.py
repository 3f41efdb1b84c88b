"""Node.js, which `./dev test` installs into a folder of npm's packages where the system's is too old for them."""
import shutil


def node_for(folder):
    own = folder / "node_modules/.bin/node"
    return str(own) if own.exists() else shutil.which("node") or "node"
