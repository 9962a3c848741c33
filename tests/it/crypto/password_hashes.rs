//! Hashing passwords: right, bounded, and the same for everybody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use postern::{
    crypto::password_hash::{Costs, PasswordHasher, Settings, Verdict, check_importable},
    domain::password::Password,
    entropy::Entropy,
};

const CHEAP: Costs = Costs { memory_kib: 64, passes: 1, lanes: 1 };
const DEFAULT: Costs = Costs { memory_kib: 19_456, passes: 2, lanes: 1 };

fn hasher(costs: Costs, threads: usize, queue: usize, queue_wait: Duration) -> PasswordHasher {
    PasswordHasher::new(Settings { costs, threads: Some(threads), queue, queue_wait, floor: Duration::ZERO }, Entropy::seeded(1)).unwrap()
}

fn patient(costs: Costs) -> PasswordHasher {
    hasher(costs, 2, 256, Duration::from_mins(1))
}

fn password(raw: &str) -> Password {
    Password::parse(raw, 1, 128).unwrap()
}

/// Occupies the only thread of `hasher` until the sender goes.
async fn occupy(hasher: &PasswordHasher) -> mpsc::Sender<()> {
    loop {
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let pool = hasher.clone();
        tokio::spawn(async move {
            let blocked = pool.judge(move || {
                let _ = begun.send(());
                let _ = released.recv();
            });
            let _ = blocked.await;
        });
        // On a busy machine it may come too late for a short queue: then once more.
        if has_begun.await.is_ok() {
            return release;
        }
    }
}

// A5: Argon2id, a salt of its own for each hash, made anew when the costs rise.
#[tokio::test]
async fn hashes_are_phc_strings_with_a_salt_each() {
    let hasher = patient(CHEAP);
    let (one, two) = (hasher.hash(password("correct horse")).await.unwrap(), hasher.hash(password("correct horse")).await.unwrap());
    assert!(one.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{one}");
    assert_ne!(one, two);
    assert_eq!(hasher.verify(password("correct horse"), Some(one.clone())).await, Ok(Verdict::Right { rehash: false }));
    assert_eq!(hasher.verify(password("correct horsf"), Some(one.clone())).await, Ok(Verdict::Wrong));
    let dearer = patient(Costs { memory_kib: 128, passes: 2, lanes: 1 });
    assert_eq!(dearer.verify(password("correct horse"), Some(one.clone())).await, Ok(Verdict::Right { rehash: true }));
    assert_eq!(dearer.verify(password("correct horsf"), Some(one)).await, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn the_default_costs_are_those_of_owasp() {
    let hash = patient(DEFAULT).hash(password("correct horse")).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
}

// A2, A3: every character counts, and a composed one is the same as a decomposed one.
#[tokio::test]
async fn passwords_are_verified_exactly() {
    let hasher = patient(CHEAP);
    let long = "a".repeat(128);
    let hash = hasher.hash(password(&long)).await.unwrap();
    assert_eq!(hasher.verify(password(&long), Some(hash.clone())).await, Ok(Verdict::Right { rehash: false }));
    let mut other = long.clone();
    other.replace_range(72..73, "b");
    for wrong in [other.as_str(), &long[..127], &format!(" {}", &long[1..]), &long.to_uppercase()] {
        assert_eq!(hasher.verify(password(wrong), Some(hash.clone())).await, Ok(Verdict::Wrong), "{wrong:?}");
    }
    let hash = hasher.hash(password("caf\u{e9} caf\u{e9}")).await.unwrap();
    assert_eq!(hasher.verify(password("cafe\u{301} cafe\u{301}"), Some(hash)).await, Ok(Verdict::Right { rehash: false }));
}

// The reference implementation's own example (phc-winner-argon2, README: `echo -n "password" | ./argon2 somesalt -t 2 -m 16 -p 4 -l 24`, Argon2i).
#[tokio::test]
async fn imported_hashes_are_verified_and_made_anew() {
    let imported = "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG".to_owned();
    let hasher = patient(CHEAP);
    assert_eq!(hasher.verify(password("password"), Some(imported.clone())).await, Ok(Verdict::Right { rehash: true }));
    assert_eq!(hasher.verify(password("Password"), Some(imported)).await, Ok(Verdict::Wrong));
}

/// Of libxcrypt, OpenSSL, Python's hashlib after each format's own description, and the READMEs of Firebase's scrypt and of crypt_blowfish.
const OF_OTHERS: [(&str, &str); 29] = [
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    (SAME, "$2b$04$R9h/cIPz0gi.URNNX3kh2OavqMFb0eie6xsqkZ3ZNJnOSeeStkimy"),
    (SAME, "$2y$04$R9h/cIPz0gi.URNNX3kh2OavqMFb0eie6xsqkZ3ZNJnOSeeStkimy"),
    (SAME, "bcrypt$$2b$04$R9h/cIPz0gi.URNNX3kh2OavqMFb0eie6xsqkZ3ZNJnOSeeStkimy"),
    (SAME, "bcrypt_sha256$$2b$04$R9h/cIPz0gi.URNNX3kh2OxBpAo8mI5jt5MYOz8mR5vRDsbHxxg9i"),
    (SAME, "$wp$2y$04$R9h/cIPz0gi.URNNX3kh2OO6FhsSCgzHRVEEImLzyjwR8MyfFEzXy"),
    (SAME, "$P$6abcdefghiF0/Op8E6kA0Fr20Y6Pg81"),
    ("hashcat", "$P$984478476IagS59wHZvyQMArzfx58u."),
    // hashcat's for Drupal 7; one that its move from MD5 would have made.
    ("hashcat", "$S$C33783772bRXEx1aCsvY.dqgaaSu76XmVlKrW9Qu8IQlvxHlmzLf"),
    ("hashcat", "U$S$5saltsalt9gRlzbTARzI7DUxJq7OPZY3OcZMxhq3IpaDraJzd1gZ"),
    // hashcat's and Django's own tests of its old formats.
    ("hashcat", "sha1$fe76b$02d5916550edf7fc8c886f044887f4b1abf9b013"),
    ("lètmein", "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8"),
    ("lètmein", "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3"),
    ("lètmein", "sha1$$6d138ca3ae545631b3abd71a4f076ce759c5700b"),
    ("lètmein", "md5$$88a434c88cca4e900f7874cd98123f43"),
    ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    (SAME, "$5$saltstring$ufxSN25L8TlzsyIYmE5Xvf8ifGYJ8AD5hY8nIDuf17/"),
    (SAME, "$6$rounds=1000$abcdefgh$26ty1DvvSVf8B6JTMjs300/2GHhlZTmpmmCAfwxirBaSXWDiZGrqJuSRQ6Eb8fJ/jRqnbph4jzwuLxN.glyDC/"),
    (SAME, "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$EleARFskG/TqneQE68v+Fz0buo/k3XMlAnPS8zJMkus"),
    (SAME, "scrypt$16$abcdefgh$8$1$+rR4XGBnLDMh0hw0dsvAfZp0Q4oR5414Z758m7pUU+yKjbY019xUC5crSDjwG2xDCEsM8TIUstab7QtrcQshnQ=="),
    (
        "user1password",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    ),
    (SAME, "pbkdf2_sha1$1000$abcdefgh$cWYc2KIF2b/xTGZ8NeXS6MM+8Yk="),
    (SAME, "pbkdf2_sha256$1000$abcdefgh$FzMQYJMeNU6gsklB/SqCKRqoI+Nuan++Ez5cTSsXXow="),
    (SAME, "$pbkdf2-sha1$1000$c2FsdHNhbHRzYWx0c2FsdA$SXmYsm3TwgXhG8GJCaXshZS0w/E"),
    (SAME, "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0c2FsdA$1qcYDJxiAlndyTHMPwqB3EvoC8opfpl8dWApoeIc+Y4"),
    (SAME, "$pbkdf2-sha256$1000$c2FsdHNhbHRzYWx0c2FsdA$1qcYDJxiAlndyTHMPwqB3EvoC8opfpl8dWApoeIc.Y4"),
    (
        SAME,
        "$pbkdf2-sha512$i=1000,l=64$c2FsdHNhbHRzYWx0c2FsdA$AfdTByshaxSAZr9dLSop4jpaEWOdyXvgQ3e2eunrPc5by0tJa4vl/D6lsuUyM7sO8DLGxD9o/qs0Wwpl+Jl/ig",
    ),
    ("password", "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"),
    ("password", "argon2$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG"),
];
const SAME: &str = "plum-Kettle 47 sundial";

#[tokio::test]
async fn hashes_of_other_programs_are_verified_and_made_anew() {
    let hasher = patient(CHEAP);
    for (right, stored) in OF_OTHERS {
        assert_eq!(check_importable(stored), Ok(()), "{stored}");
        let verdict = hasher.verify(password(right), Some(stored.to_owned())).await;
        assert_eq!(verdict, Ok(Verdict::Right { rehash: true }), "{stored}");
        let wrong_ones = [format!("{right}!"), right.to_uppercase(), right[..right.len() - 1].to_owned()];
        for wrong in wrong_ones.into_iter().filter(|wrong| wrong != right) {
            assert_eq!(hasher.verify(password(&wrong), Some(stored.to_owned())).await, Ok(Verdict::Wrong), "{stored}: {wrong}");
        }
        // Cut short anywhere it is no hash, or a wrong one.
        for length in 0..stored.len() {
            let cut = stored[..length].to_owned();
            if check_importable(&cut).is_ok() {
                continue;
            }
            assert_eq!(hasher.verify(password(right), Some(cut)).await, Ok(Verdict::Wrong), "{stored}: {length}");
        }
    }
}

// A2: bcrypt takes 72 bytes, as the program that made the hash did; what replaces it takes all of them. The hash is libxcrypt's, of 80 times `x`.
#[tokio::test]
async fn bcrypt_takes_what_it_took_before_and_its_successor_takes_everything() {
    let of_80 = "$2b$04$R9h/cIPz0gi.URNNX3kh2Owx9bCyO4B6Ax30vqvpucN6uCHSum1/a".to_owned();
    let hasher = patient(CHEAP);
    let x = |count: usize| "x".repeat(count);
    for right in [x(80), x(72), format!("{}y", x(72))] {
        assert_eq!(hasher.verify(password(&right), Some(of_80.clone())).await, Ok(Verdict::Right { rehash: true }), "{right}");
    }
    for wrong in [x(71), format!("{}y", x(71))] {
        assert_eq!(hasher.verify(password(&wrong), Some(of_80.clone())).await, Ok(Verdict::Wrong), "{wrong}");
    }
    let ours = hasher.hash(password(&x(80))).await.unwrap();
    for wrong in [x(72), x(79), format!("{}y", x(79))] {
        assert_eq!(hasher.verify(password(&wrong), Some(ours.clone())).await, Ok(Verdict::Wrong), "{wrong}");
    }
}

// A2: however slow or fast the stored hash is, a wrong password is answered no sooner than the floor, and a right one when it is found right.
#[tokio::test]
async fn no_wrong_password_is_answered_before_the_floor() {
    let floor = Duration::from_millis(400);
    let settings = Settings { costs: CHEAP, threads: Some(1), queue: 16, queue_wait: Duration::from_secs(10), floor };
    let hasher = PasswordHasher::new(settings, Entropy::seeded(1)).unwrap();
    let ours = hasher.hash(password("right")).await.unwrap();
    let imported = "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3".to_owned();
    for stored in [None, Some(ours), Some(imported.clone()), Some("plain".to_owned())] {
        let begun = std::time::Instant::now();
        assert_eq!(hasher.verify(password("wrong"), stored).await, Ok(Verdict::Wrong));
        assert!(begun.elapsed() >= floor);
    }
    let begun = std::time::Instant::now();
    assert_eq!(hasher.verify(password("lètmein"), Some(imported)).await, Ok(Verdict::Right { rehash: true }));
    assert!(begun.elapsed() < floor);
}

#[tokio::test]
async fn what_is_no_hash_is_wrong() {
    let hasher = patient(CHEAP);
    for stored in [
        "",
        "plain",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$",
        "$2b$20$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        // These would take the machine.
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
        "$argon2id$v=19$m=65536,t=4294967295,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG",
    ] {
        assert_eq!(hasher.verify(password("password"), Some(stored.to_owned())).await, Ok(Verdict::Wrong), "{stored:?}");
    }
    assert_eq!(hasher.verify(password("password"), None).await, Ok(Verdict::Wrong));
}

// A6: the surplus is refused, at once where the queue is full and when popped where it waited too long.
#[tokio::test]
async fn the_surplus_is_refused() {
    let hasher = hasher(CHEAP, 1, 2, Duration::from_mins(1));
    let release = occupy(&hasher).await;
    let mut first = Box::pin(hasher.hash(password("correct horse")));
    let mut second = Box::pin(hasher.hash(password("correct horse")));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    let refused = hasher.hash(password("correct horse")).await.unwrap_err();
    assert!(refused.retry_after >= Duration::from_secs(1));
    drop(release);
    assert!(first.await.is_ok() && second.await.is_ok());
    assert!(hasher.hash(password("correct horse")).await.is_ok(), "there is room again");
}

#[tokio::test]
async fn what_waited_too_long_is_refused_undone() {
    let wait = Duration::from_millis(50);
    let hasher = hasher(CHEAP, 1, 16, wait);
    let release = occupy(&hasher).await;
    let ran = Arc::new(AtomicBool::new(false));
    let late = tokio::spawn({
        let (hasher, ran) = (hasher.clone(), Arc::clone(&ran));
        async move { hasher.judge(move || ran.store(true, Ordering::SeqCst)).await }
    });
    // The queue measures the system's time: there is nothing to advance.
    tokio::time::sleep(4 * wait).await;
    drop(release);
    assert!(late.await.unwrap().is_err());
    assert!(!ran.load(Ordering::SeqCst));
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_skipped() {
    let hasher = hasher(CHEAP, 1, 2, Duration::from_mins(1));
    let release = occupy(&hasher).await;
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let counter = Arc::clone(&ran);
        let job = hasher.judge(move || counter.fetch_add(1, Ordering::SeqCst));
        // The caller goes away; its place in the queue becomes free.
        assert!(tokio::time::timeout(Duration::from_millis(5), job).await.is_err());
    }
    drop(release);
    assert!(hasher.hash(password("correct horse")).await.is_ok());
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_panic_is_not_the_end() {
    let hasher = hasher(CHEAP, 1, 16, Duration::from_mins(1));
    assert!(hasher.judge(|| panic!("a bug")).await.is_err());
    assert_eq!(hasher.judge(|| 42).await, Ok(42));
}

// A6: many at once are all answered, and rightly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_answered_rightly() {
    let hasher = patient(CHEAP);
    let hash = hasher.hash(password("correct horse")).await.unwrap();
    let jobs: Vec<_> = (0..200)
        .map(|number| {
            let (hasher, hash) = (hasher.clone(), hash.clone());
            tokio::spawn(async move {
                let raw = if number % 2 == 0 { "correct horse" } else { "wrong horse" };
                (number, hasher.verify(password(raw), Some(hash)).await.unwrap())
            })
        })
        .collect();
    for job in jobs {
        let (number, verdict) = job.await.unwrap();
        assert_eq!(verdict == Verdict::Wrong, number % 2 == 1, "{number}");
    }
}

#[test]
fn costs_out_of_range_are_refused() {
    for costs in [Costs { memory_kib: 7, ..CHEAP }, Costs { passes: 0, ..CHEAP }, Costs { lanes: 0, ..CHEAP }] {
        let settings = Settings { costs, threads: Some(1), queue: 1, queue_wait: Duration::from_secs(1), floor: Duration::ZERO };
        assert!(PasswordHasher::new(settings, Entropy::seeded(1)).is_err(), "{costs:?}");
    }
}
