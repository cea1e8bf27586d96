//! File systems of our own: small ones, and ones whose power can be cut.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{path_text, tools};

/// How long an unmounted file system may be in use elsewhere.
const UNMOUNTED: Duration = Duration::from_secs(30);

/// Whether this process may mount; if not, it says so.
pub fn may_mount() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(
            std::env::var_os("REQUIRE_TOOLS").is_none(),
            "root is needed"
        );
        println!("*** SKIPPED: mounting file systems needs root ***");
    }
    root
}

/// Runs a command that must succeed.
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A mounted file system; unmounted when dropped.
pub struct Mount {
    point: PathBuf,
    /// Holds the mount point, and the image if there is one.
    _directory: tempfile::TempDir,
    image: Option<PathBuf>,
}

impl Mount {
    /// A file system in memory with room for `mebibytes`.
    pub fn tmpfs(mebibytes: u32) -> Option<Self> {
        if !may_mount() {
            return None;
        }
        let (directory, point) = mount_point();
        let options = format!("size={mebibytes}m");
        run(
            "mount",
            &["-t", "tmpfs", "-o", &options, "tmpfs", path_text(&point)],
        );
        Some(Self {
            point,
            _directory: directory,
            image: None,
        })
    }

    /// An ext4 file system of 512 MiB on a loop device.
    pub fn ext4() -> Option<Self> {
        tools::program("mkfs.ext4")?;
        tools::program("perl")?;
        if !may_mount() {
            return None;
        }
        let (directory, point) = mount_point();
        let image = directory.path().join("image");
        run("truncate", &["-s", "512M", path_text(&image)]);
        run("mkfs.ext4", &["-q", path_text(&image)]);
        let mount = Self {
            point,
            _directory: directory,
            image: Some(image),
        };
        mount.mount_image();
        Some(mount)
    }

    fn mount_image(&self) {
        let image = self.image.as_deref().expect("it has an image");
        run(
            "mount",
            &[
                "-o",
                "loop,errors=remount-ro",
                path_text(image),
                path_text(&self.point),
            ],
        );
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// Makes room.
    pub fn grow(&self, mebibytes: u32) {
        let options = format!("remount,size={mebibytes}m");
        run("mount", &["-o", &options, path_text(&self.point)]);
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut ballast = std::fs::File::create(self.point.join("ballast")).expect("it is ours");
        // Others may write meanwhile, and it ends all the same where no room is left for a single block.
        for block in [1 << 20, 4096] {
            let content = vec![7; block];
            while ballast.write_all(&content).is_ok() {}
        }
    }

    /// Cuts the power: what was not synced is lost, and so is the file system's unwritten journal.
    pub fn cut_power(&self) {
        // FS_IOC_SHUTDOWN with FSOP_GOING_FLAGS_NOLOGFLUSH.
        let script = r#"open(F, "<", $ARGV[0]) or die $!; my $flags = pack("L", 2);
            ioctl(F, 0x8004587d, $flags) or die $!;"#;
        run("perl", &["-e", script, path_text(&self.point)]);
    }

    /// Lets the file system find an error of its own, after which nothing can be written.
    pub fn make_read_only(&self) {
        std::fs::write(self.in_kernel().join("trigger_fs_error"), "a test")
            .expect("root may write it");
    }

    /// Where the kernel tells of the file system, for as long as it has it.
    fn in_kernel(&self) -> PathBuf {
        let mounts = std::fs::read_to_string("/proc/self/mounts").expect("it is told");
        let is_ours = |line: &&str| line.split(' ').nth(1) == Some(path_text(&self.point));
        let line = mounts.lines().find(is_ours).expect("it is mounted");
        let device = line.split(' ').next().expect("it comes first");
        let name = device.strip_prefix("/dev/").expect("a loop device");
        Path::new("/sys/fs/ext4").join(name)
    }

    /// Mounts it again after the power came back; nothing may have it open.
    pub fn power_on(&self) {
        let in_kernel = self.in_kernel();
        run("umount", &[path_text(&self.point)]);
        // Each `ip -n` of a test beside this one has all mounts for a moment. Until it ends, the kernel would
        // give back the file system that has no power.
        let started = Instant::now();
        while in_kernel.exists() {
            assert!(started.elapsed() < UNMOUNTED, "somebody keeps it mounted");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.mount_image();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A failed test may leave files open: the kernel then unmounts when they are closed.
        let _ = Command::new("umount")
            .args(["-l", path_text(&self.point)])
            .output();
    }
}

fn mount_point() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let point = directory.path().join("mounted");
    std::fs::create_dir(&point).expect("the directory is ours");
    (directory, point)
}
