"""The one part of the build that is not data: the native kernels, compiled where there is a C compiler.

Without one the installation goes on, and neurornn says at first use what is slower. The same sources are compiled once
for each instruction set; which of them runs is chosen on the user's machine.
"""

import platform
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

NATIVE = Path("neurornn/kernel/native")
ONCE = [str(NATIVE / name) for name in ("dispatch.c", "threads.c")]  # the rest is made for each instruction set
COMMON = ["-std=c11", "-O3", "-g0", "-ffp-contract=fast", "-fvisibility=hidden", "-Wno-psabi"]
AVX512 = ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mavx2", "-mfma", "-mprefer-vector-width=512"]
SETS = {"portable": [], "avx2": ["-mavx2", "-mfma"], "avx512": AVX512}
AMX = [*AVX512, "-mamx-tile", "-mamx-bf16"]  # the matrix unit, which only the newest compilers and systems know
MULTIPLYING = ("leaky_forward.c", "leaky_backward.c", "lif_backward.c")
"""The kernels that use it; the others have no copy of their own."""


class BuildKernels(build_ext):
    """Compile every kernel for every instruction set, and never fail the installation."""

    def build_extension(self, ext: Extension) -> None:
        """Build the library, or say that there is none."""
        try:
            self._build(ext)
        except Exception as reason:  # whatever a missing or foreign compiler raises
            self.warn(f"the native kernels were not built ({reason}); neurornn will run without them")

    def _build(self, ext: Extension) -> None:
        x86 = platform.machine() in ("x86_64", "AMD64")
        front = ["-DNEURORNN_X86"] if x86 else []
        made = []
        for name, flags in SETS.items():
            if x86 or name == "portable":
                sources = [path for path in map(str, sorted(NATIVE.glob("*.c"))) if path not in ONCE]
                made += self._variant(name, flags, sources)
        if x86 and platform.system() == "Linux":
            try:
                made += self._variant("amx", AMX, [str(NATIVE / name) for name in MULTIPLYING])
                front.append("-DNEURORNN_AMX")
            except CompileError as reason:
                self.warn(f"this compiler does not know the matrix unit ({reason}); the kernels do without it")
        made += self.compiler.compile(ONCE, output_dir=self.build_temp, extra_postargs=[*COMMON, *front])
        self.compiler.link_shared_object(made, self.get_ext_fullpath(ext.name), extra_postargs=["-pthread", "-lm"])

    def _variant(self, name: str, flags: list[str], sources: list[str]) -> list[str]:
        folder, extra = str(Path(self.build_temp) / name), [*COMMON, *flags, f"-DVARIANT={name}"]
        return self.compiler.compile(sources, output_dir=folder, extra_postargs=extra)


setup(
    cmdclass={"build_ext": BuildKernels},
    ext_modules=[
        Extension(
            "neurornn.kernel._native",
            sources=sorted(str(path) for path in NATIVE.glob("*.c")),
            depends=sorted(str(path) for path in NATIVE.glob("*.h")),
            optional=True,
        )
    ],
)
