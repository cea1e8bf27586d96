//! The clients: where the program of each is, and how it is built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::story;
use crate::support::{path_text, tools};

/// A client in one of its versions.
pub struct Client {
    /// Also what its topics and groups are called.
    pub name: String,
    kind: Kind,
    version: Version,
    /// Built when it is first asked for; what the compiler said if it cannot be.
    program: OnceLock<Result<Option<Program>, String>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Python(&'static str),
    Java,
    Go(&'static str),
    Node,
    Kcat,
    Rust,
}

/// Which of the pinned versions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Newest,
    Old,
}

/// A program that is ready to run.
pub struct Program {
    words: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Program {
    fn new<const N: usize>(words: [&str; N]) -> Self {
        Self {
            words: words.map(str::to_owned).to_vec(),
            variables: Vec::new(),
        }
    }

    /// The program and its first arguments.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The environment variables that it needs.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, &**value))
    }
}

/// All clients, the newest version and an old one of each; of kcat there is only one.
pub fn all() -> Vec<Client> {
    let kinds = [
        ("confluent-kafka", Kind::Python("confluent")),
        ("java", Kind::Java),
        ("franz-go", Kind::Go("franz-go")),
        ("kafkajs", Kind::Node),
        ("sarama", Kind::Go("sarama")),
        ("kafka-go", Kind::Go("kafka-go")),
        ("kafka-python", Kind::Python("kafka_python")),
        ("aiokafka", Kind::Python("aiokafka_story")),
        ("kcat", Kind::Kcat),
        ("rskafka", Kind::Rust),
    ];
    let versions = [(Version::Newest, "newest"), (Version::Old, "old")];
    let mut clients = Vec::new();
    for (name, kind) in kinds {
        for (version, suffix) in versions {
            clients.push(Client {
                name: format!("{name}-{suffix}"),
                kind,
                version,
                program: OnceLock::new(),
            });
        }
    }
    clients.retain(|client| client.name != "kcat-old");
    clients
}

impl Client {
    /// Whether its topics must be there before its story.
    pub fn creates_no_topics(&self) -> bool {
        matches!(self.kind, Kind::Kcat)
    }

    /// The program, built once, or `None`, said loudly, if its tools are missing.
    ///
    /// # Errors
    /// It does not compile: what the compiler said.
    pub fn program(&self) -> Result<Option<&Program>, String> {
        let built = self.program.get_or_init(|| self.build());
        built.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    fn build(&self) -> Result<Option<Program>, String> {
        let what = "the clients' packages (run `.ci/tools`)";
        let Some(packages) = tools::directory("COMPATIBILITY_TOOLS", what) else {
            return Ok(None);
        };
        match self.kind {
            Kind::Python(name) => Ok(Some(self.python(&packages, name))),
            Kind::Node => Ok(tools::program("node").map(|_| self.node(&packages))),
            Kind::Kcat => Ok(tools::program("kcat").map(|_| kcat())),
            Kind::Java => with_compiler("javac", || self.java(&packages)),
            Kind::Go(name) => with_compiler("go", || self.go(name)),
            Kind::Rust => with_compiler("cargo", || self.rust(&packages)),
        }
    }

    fn suffix(&self) -> &'static str {
        match self.version {
            Version::Newest => "newest",
            Version::Old => "old",
        }
    }

    fn python(&self, packages: &Path, name: &str) -> Program {
        let python = packages.join(format!("python-{}/bin/python", self.suffix()));
        let story = source(&format!("python/{name}.py"));
        Program::new([path_text(&python), "-B", path_text(&story)])
    }

    fn node(&self, packages: &Path) -> Program {
        let mut program = Program::new(["node", path_text(&source("kafkajs/story.js"))]);
        let modules = packages.join("kafkajs/node_modules");
        program.variables = vec![
            ("NODE_PATH", path_text(&modules).to_owned()),
            ("KAFKAJS", format!("kafkajs-{}", self.suffix())),
        ];
        program
    }

    fn java(&self, packages: &Path) -> Result<Program, String> {
        let classes = story::directory().join(format!("{}.classes", self.name));
        let version = match self.version {
            Version::Newest => "client-4.4.0",
            Version::Old => "client-3.9.1",
        };
        let jars = format!("{}/*", path_text(&packages.join(version)));
        run(Command::new("javac")
            .args(["-nowarn", "-d", path_text(&classes), "-cp", &jars])
            .arg(source("java/Story.java")))?;
        let class_path = format!("{}:{jars}", path_text(&classes));
        Ok(Program::new([
            "java",
            "-Xmx256m",
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp",
            &class_path,
            "Story",
        ]))
    }

    fn go(&self, name: &str) -> Result<Program, String> {
        let binary = story::directory().join(&self.name);
        let modules = match self.version {
            Version::Newest => "go.mod",
            Version::Old => "old.mod",
        };
        run(Command::new("go")
            .args(["build", "-modfile", modules, "-o", path_text(&binary), "."])
            .current_dir(source(&format!("go/{name}"))))?;
        Ok(Program::new([path_text(&binary)]))
    }

    fn rust(&self, packages: &Path) -> Result<Program, String> {
        let target = packages.join("rskafka");
        run(Command::new("cargo")
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(source("rskafka/Cargo.toml"))
            .args(["--target-dir", path_text(&target)]))?;
        let binary = target.join(format!("debug/{}", self.suffix()));
        Ok(Program::new([path_text(&binary)]))
    }
}

fn kcat() -> Program {
    Program::new(["bash", path_text(&source("kcat/story.sh"))])
}

/// Builds if the compiler is there.
fn with_compiler(
    compiler: &str,
    build: impl FnOnce() -> Result<Program, String>,
) -> Result<Option<Program>, String> {
    tools::program(compiler).map(|_| build()).transpose()
}

/// A file below `tests/compatibility`.
fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compatibility")
        .join(name)
}

/// Runs a compiler.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed:\n{errors}"))
}
