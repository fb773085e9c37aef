use std::fs::{create_dir, write};
use std::os::unix::fs::symlink;

use super::*;

fn local(target: &str) -> (String, bool) {
    let path = LocalPath::from_target(target).unwrap();
    (String::from_utf8(path.name).unwrap(), path.directory)
}

fn refused(target: &str) -> u16 {
    LocalPath::from_target(target).unwrap_err().status.0
}

#[test]
fn targets_become_relative_paths() {
    let file = |name: &str| (name.to_owned(), false);
    let directory = |name: &str| (name.to_owned(), true);
    assert_eq!(local("/"), directory(""));
    assert_eq!(local("/a/b.txt?x=/../y"), file("a/b.txt"));
    assert_eq!(local("/a/b/"), directory("a/b"));
    assert_eq!(local("//etc//passwd"), file("etc/passwd"), "never absolute");
    assert_eq!(local("/%2Fetc%2fpasswd"), file("etc/passwd"));
    assert_eq!(local("/a/./b/../c"), file("a/c"));
    assert_eq!(local("/a/.."), directory(""));
    assert_eq!(local("/%61%20%C3%A9+b"), file("a é+b"));
    assert_eq!(local("/...%2f..a"), file(".../..a"));
    assert_eq!(local("http://host:80/a?b"), file("a"));
    assert_eq!(local("http://host"), directory(""));
    assert_eq!(local("/http://x/y"), file("http:/x/y"));
}

#[test]
fn targets_that_lead_out_or_are_malformed_are_refused() {
    let out = ["/..", "/../x", "/a/../../x", "/%2e%2e/x", "/%2E./x", "/a%2f..%2f..%2fx", "/.%2e"];
    for target in out {
        assert_eq!(refused(target), 400, "{target}");
    }
    for target in ["", "*", "a", "../x", "/%", "/%2", "/%zz", "/%+1", "/a%00", "/%00", "ftp://h/"] {
        assert_eq!(refused(target), 400, "{target}");
    }
}

/// Checks both ways of opening; `links` says whether links inside the directory are followed.
fn stays_inside(beneath: bool, links: bool) {
    let home = tempfile::tempdir().unwrap();
    let served = home.path().join("served");
    create_dir(&served).unwrap();
    create_dir(served.join("sub")).unwrap();
    write(home.path().join("secret"), "secret").unwrap();
    write(served.join("sub/file"), "file").unwrap();
    symlink("../secret", served.join("out")).unwrap();
    symlink("/etc", served.join("etc")).unwrap();
    symlink("..", served.join("up")).unwrap();
    symlink("loop", served.join("loop")).unwrap();
    symlink("sub/../sub", served.join("in")).unwrap();
    symlink("/proc/self/root", served.join("magic")).unwrap();
    let fifo = served.join("fifo");
    fs::mknodat(fs::CWD, fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();

    let mut root = Root::new(&served).unwrap();
    root.beneath &= beneath;
    let find = |target: &str| root.find(&LocalPath::from_target(target).unwrap());
    let status = |target: &str| find(target).unwrap_err().status.0;

    let Found::File(file) = find("/sub/file").unwrap() else { panic!("not a file") };
    assert_eq!(file.length, 4);
    assert!(matches!(find("/sub").unwrap(), Found::Directory(_)));
    assert!(matches!(find("/").unwrap(), Found::Directory(_)));
    let outward = ["/out", "/etc/passwd", "/up/secret", "/up/", "/loop", "/magic/etc/passwd"];
    for target in outward {
        assert_eq!(status(target), 404, "{target}");
    }
    assert_eq!(status("/sub/file/"), 404, "a file is not a directory");
    assert_eq!(status("/sub/file/x"), 404);
    assert_eq!(status("/fifo"), 404);
    assert_eq!(status(&format!("/{}", "n".repeat(5000))), 404);
    assert_eq!(find("/in/file").is_ok(), links);
}

#[test]
fn openat2_keeps_every_path_inside() {
    stays_inside(true, true);
}

#[test]
fn without_openat2_no_link_is_followed() {
    stays_inside(false, false);
}

#[test]
fn the_tag_changes_with_the_file() {
    let home = tempfile::tempdir().unwrap();
    let root = Root::new(home.path()).unwrap();
    let tag = || match root.find(&LocalPath::from_target("/f").unwrap()).unwrap() {
        Found::File(file) => file.etag,
        Found::Directory(_) => panic!("a directory"),
    };
    write(home.path().join("f"), "one").unwrap();
    let first = tag();
    assert_eq!(first, tag());
    write(home.path().join("g"), "two").unwrap();
    std::fs::rename(home.path().join("g"), home.path().join("f")).unwrap();
    assert_ne!(first, tag());
}
