//! Names of code in a pickle: what is known, what is harmless, and what has no place in data.

/// What a name of code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    Reconstruct,
    FromBuffer,
    Scalar,
    NdArray,
    DType,
    Encode,
    Bytes,
    /// A dictionary that keeps its order, or has a default.
    Ordered,
    /// Anything else: it is not run.
    Unknown,
}

/// Modules that attacks use, and no data.
const HOSTILE: [&[u8]; 30] = [
    b"os",
    b"posix",
    b"nt",
    b"ntpath",
    b"posixpath",
    b"subprocess",
    b"sys",
    b"pty",
    b"socket",
    b"shutil",
    b"importlib",
    b"runpy",
    b"ctypes",
    b"webbrowser",
    b"commands",
    b"popen2",
    b"code",
    b"codeop",
    b"multiprocessing",
    b"asyncio",
    b"marshal",
    b"pickle",
    b"_pickle",
    b"cPickle",
    b"types",
    b"operator",
    b"_operator",
    b"functools",
    b"pip",
    b"timeit",
];
/// What of Python's own names is data.
const BUILTINS: [&[u8]; 16] = [
    b"set",
    b"frozenset",
    b"list",
    b"dict",
    b"tuple",
    b"bytearray",
    b"complex",
    b"slice",
    b"range",
    b"xrange",
    b"int",
    b"long",
    b"float",
    b"bool",
    b"str",
    b"object",
];

impl Global {
    /// `None` for a name that has no place in data.
    pub fn find(module: &[u8], name: &[u8]) -> Option<Self> {
        let numpy = module == b"numpy" || module.starts_with(b"numpy.");
        let core = matches!(
            module,
            b"numpy.core.multiarray"
                | b"numpy._core.multiarray"
                | b"numpy.multiarray"
                | b"numpy.core.numeric"
                | b"numpy._core.numeric"
        );
        let top = module.split(|&byte| byte == b'.').next().unwrap_or(module);
        match name {
            b"_reconstruct" if core => Some(Global::Reconstruct),
            b"_frombuffer" if core => Some(Global::FromBuffer),
            b"scalar" if core => Some(Global::Scalar),
            b"ndarray" if module == b"numpy" => Some(Global::NdArray),
            b"dtype" if module == b"numpy" => Some(Global::DType),
            b"encode" if module == b"_codecs" => Some(Global::Encode),
            b"bytes" if matches!(module, b"builtins" | b"__builtin__") => Some(Global::Bytes),
            b"OrderedDict" | b"defaultdict" if module == b"collections" => Some(Global::Ordered),
            // Types of numpy (`float64`, `str_`); not its functions, some of which read files.
            _ if numpy => name.last().filter(|last| last.is_ascii_digit() || **last == b'_').map(|_| Global::Unknown),
            _ if matches!(module, b"builtins" | b"__builtin__") => BUILTINS.contains(&name).then_some(Global::Unknown),
            _ if HOSTILE.contains(&top) => None,
            _ => Some(Global::Unknown),
        }
    }
}
