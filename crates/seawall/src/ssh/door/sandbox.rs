//! What the SSH process gives up before it hears the first stranger: other users' rights, the
//! file system, the network, new programs, and all system calls but the few it lives on.

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, User};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::cli::report::{Doing, Error};

/// Confines this process, which must have one thread. Says by what, for `status`.
///
/// # Errors
/// When the system call filter cannot be put in force, or root cannot be given up. Landlock is
/// used as far as the kernel has it: the filter knows no call that opens a file in any case.
pub(super) fn enter() -> Result<String, Error> {
    // What is read once and kept: the random number generator's own state.
    aws_lc_rs::rand::fill(&mut [0; 32]).map_err(|_| Error::failed("no random numbers"))?;
    let user = give_up_root()?;
    limits().doing(|| "set the limits of the SSH process".to_owned())?;
    nix::sys::prctl::set_dumpable(false).doing(|| "forbid to trace the SSH process".to_owned())?;
    nix::sys::prctl::set_no_new_privs().doing(|| "forbid new privileges".to_owned())?;
    let landlock = landlock().doing(|| "confine the SSH process by Landlock".to_owned())?;
    let filter = filter().doing(|| "compile the system call filter".to_owned())?;
    seccompiler::apply_filter(&filter).doing(|| "filter system calls".to_owned())?;
    Ok(format!("{user}, {landlock}, seccomp"))
}

/// The user that the process becomes where it is root: one made for it, or the one that owns
/// nothing.
const USERS: &[&str] = &["seawall-ssh", "nobody"];

fn give_up_root() -> Result<String, Error> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(format!("uid {}", nix::unistd::geteuid()));
    }
    // A unit may have taken every capability of root's, and with them the right to be less.
    if capabilities() == Some(0) {
        return Ok("root without capabilities".to_owned());
    }
    // A network of its own, with nothing in it: sockets that were handed over stay what they are.
    let unshared = nix::sched::unshare(
        nix::sched::CloneFlags::CLONE_NEWNET | nix::sched::CloneFlags::CLONE_NEWIPC,
    );
    let found = USERS.iter().find_map(|name| User::from_name(name).ok().flatten());
    let (name, uid, gid) = found.map_or_else(
        || ("nobody".to_owned(), Uid::from_raw(65534), Gid::from_raw(65534)),
        |user| (user.name, user.uid, user.gid),
    );
    let doing = || format!("become the user {name}");
    nix::unistd::setgroups(&[]).doing(doing)?;
    nix::unistd::setresgid(gid, gid, gid).doing(doing)?;
    nix::unistd::setresuid(uid, uid, uid).doing(doing)?;
    if nix::unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(Error::failed("the SSH process could become root again"));
    }
    Ok(match unshared {
        Ok(()) => format!("user {name}, no network"),
        // In a container without the right to; the filter knows no `connect` either.
        Err(_) => format!("user {name}"),
    })
}

/// The effective capabilities (proc(5)), as far as they can be read.
fn capabilities() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn limits() -> Result<(), Errno> {
    // A connection takes two descriptors, and a channel one.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)
}

/// No access to any file, no TCP or UDP port, no abstract socket and no process of others.
fn landlock() -> Result<&'static str, landlock::RulesetError> {
    let newest = ABI::V6;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(newest))?
        .handle_access(AccessNet::from_all(newest))?
        .scope(Scope::from_all(newest))?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => "Landlock",
        RulesetStatus::PartiallyEnforced => "Landlock in part",
        RulesetStatus::NotEnforced => "no Landlock in this kernel",
    })
}

/// What the runtime, the allocator and SSH itself need. Nothing opens, connects, listens, forks or
/// executes.
const CALLS: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getpeername,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Keys are not to be swapped out.
    libc::SYS_mlock,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munlock,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: std::collections::BTreeMap<_, _> =
        CALLS.iter().map(|&call| (call, Vec::new())).collect();
    let only = |index, operator, value| {
        SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
            .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    // Threads, and no processes. The C library falls back to `clone` where there is no `clone3`,
    // whose arguments no filter can see.
    let thread = SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64);
    rules.insert(libc::SYS_clone, vec![only(0, thread, libc::CLONE_THREAD as u64)?]);
    // The runtime's own wake-up sockets.
    rules.insert(libc::SYS_socketpair, vec![only(0, SeccompCmpOp::Eq, libc::AF_UNIX as u64)?]);
    // The names of threads.
    rules.insert(libc::SYS_prctl, vec![only(0, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)?]);
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::ENOSYS as u32),
        SeccompAction::Allow,
        architecture,
    )?
    .try_into()
}
