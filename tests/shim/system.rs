//! The system calls themselves: the functions of the C library would be those that stand in their place.

use std::ffi::{c_char, c_int, c_long, c_void};

use libc::{mode_t, off64_t, size_t, ssize_t, syscall};

#[expect(clippy::cast_possible_truncation, reason = "a file's number, or 0 or -1")]
const fn small(result: c_long) -> c_int {
    result as c_int
}

pub unsafe fn open(at: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's, as with all of these.
    small(unsafe { syscall(libc::SYS_openat, at, path, flags, mode) })
}

pub unsafe fn exists(path: *const c_char) -> bool {
    // SAFETY: as above.
    unsafe { syscall(libc::SYS_faccessat, libc::AT_FDCWD, path, libc::F_OK) == 0 }
}

pub unsafe fn close(file: c_int) -> c_int {
    // SAFETY: as above.
    small(unsafe { syscall(libc::SYS_close, file) })
}

pub unsafe fn write(file: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: as above.
    unsafe { syscall(libc::SYS_write, file, bytes, count) as ssize_t }
}

pub unsafe fn pwrite(file: c_int, bytes: *const c_void, count: size_t, at: off64_t) -> ssize_t {
    // SAFETY: as above.
    unsafe { syscall(libc::SYS_pwrite64, file, bytes, count, at) as ssize_t }
}

/// Where the next `write` goes.
pub fn place(file: c_int) -> off64_t {
    // SAFETY: it looks, and moves nothing.
    unsafe { syscall(libc::SYS_lseek, file, 0, libc::SEEK_CUR) as off64_t }
}

pub fn resize(file: c_int, length: off64_t) -> c_int {
    // SAFETY: no memory is touched, as with those below.
    small(unsafe { syscall(libc::SYS_ftruncate, file, length) })
}

pub fn fsync(file: c_int) -> c_int {
    // SAFETY: as above.
    small(unsafe { syscall(libc::SYS_fsync, file) })
}

pub fn fdatasync(file: c_int) -> c_int {
    // SAFETY: as above.
    small(unsafe { syscall(libc::SYS_fdatasync, file) })
}

pub unsafe fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: the caller's.
    small(unsafe { syscall(libc::SYS_clock_gettime, clock, time) })
}
