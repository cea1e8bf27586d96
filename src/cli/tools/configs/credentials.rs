//! SCRAM credentials of users (RFC 5802): only a password's salted hash goes to the cluster.

use std::io::{self, Write as _};

use bytes::Bytes;
use pbkdf2::pbkdf2_hmac;
use sha2::{Sha256, Sha512};

use super::changes::Changes;
use super::failure::Failure;
use super::resources::PATIENCE;
use crate::cli::tools::admin::not_controller;
use crate::cli::tools::exception::Exception;
use crate::client::{Cluster, ClusterError, To};
use crate::protocol::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, ScramCredentialDeletion, ScramCredentialUpsertion,
};
use crate::protocol::messages::describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResult, UserName,
};
use crate::protocol::{ErrorCode, Str};

const DEFAULT_ITERATIONS: u32 = 4096;
const MIN_ITERATIONS: u32 = 4096;

/// The bytes of a new salt.
const SALT_BYTES: usize = 32;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Sha256,
    Sha512,
}

impl Mechanism {
    const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// Its number in requests.
    fn number(self) -> i8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// The salted password, `Hi` of RFC 5802.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha256 => {
                let mut salted = [0; 32];
                pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted);
                salted.to_vec()
            }
            Self::Sha512 => {
                let mut salted = [0; 64];
                pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted);
                salted.to_vec()
            }
        }
    }
}

/// Whether this is the name of a mechanism.
pub(super) fn is_mechanism(name: &str) -> bool {
    Mechanism::of(name).is_some()
}

/// Tells which credentials these users have, or all users if none is named.
pub(super) async fn describe(cluster: &mut Cluster, users: &[String]) -> Result<(), Failure> {
    let user = |name: &String| UserName {
        name: Str::copy_from(name),
    };
    let request = DescribeUserScramCredentialsRequest {
        users: (!users.is_empty()).then(|| users.iter().map(user).collect()),
    };
    cluster.limit(PATIENCE);
    let answer = cluster.ask(To::Any, &request).await?;
    ClusterError::check(answer.error_code, answer.error_message)?;
    let has_any =
        |it: &&DescribeUserScramCredentialsResult| it.error_code != ErrorCode::RESOURCE_NOT_FOUND;
    for result in answer.results.iter().filter(has_any) {
        writeln!(io::stdout(), "{}", line(result))?;
    }
    Ok(())
}

fn line(result: &DescribeUserScramCredentialsResult) -> String {
    let user = &result.user;
    let checked = ClusterError::check(result.error_code, result.error_message.clone());
    if let Err(error) = checked {
        let error = Exception::from(&error).to_string();
        return format!(
            "Error retrieving SCRAM credential configs for user-principal '{user}': ExecutionException: {error}"
        );
    }
    let credentials = result.credential_infos.iter().map(|it| {
        let mut mechanisms = Mechanism::ALL.into_iter();
        let known = mechanisms.find(|mechanism| mechanism.number() == it.mechanism);
        let name = known.map_or("UNKNOWN", Mechanism::name);
        format!("{name}=iterations={}", it.iterations)
    });
    let credentials: Vec<String> = credentials.collect();
    format!(
        "SCRAM credential configs for user-principal '{user}' are {}",
        credentials.join(", ")
    )
}

/// What a new credential is made of.
#[derive(Debug, PartialEq, Eq)]
struct Secret<'a> {
    iterations: u32,
    password: &'a str,
}

impl<'a> Secret<'a> {
    /// Reads `iterations=8192,password=secret`, or without the number.
    fn parse(mechanism: Mechanism, text: &'a str) -> Result<Self, Failure> {
        let invalid = || {
            let name = mechanism.name().replace('-', "_");
            Failure::Told(format!("Invalid credential property {name}={text}"))
        };
        let (iterations, rest) = match text.strip_prefix("iterations=") {
            Some(rest) => {
                let (number, rest) = rest.split_once(',').ok_or_else(invalid)?;
                let digits = number.strip_prefix('-').unwrap_or(number);
                if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(invalid());
                }
                (Some(number), rest)
            }
            None => (None, text),
        };
        let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
        if password.contains(['\n', '\r']) {
            return Err(invalid());
        }
        let iterations = match iterations {
            None | Some("-1") => i64::from(DEFAULT_ITERATIONS),
            Some(number) => {
                let parsed = number.parse::<i32>();
                i64::from(parsed.map_err(|_| Failure::no_number(number))?)
            }
        };
        match u32::try_from(iterations) {
            Ok(iterations) if iterations >= MIN_ITERATIONS => Ok(Self {
                iterations,
                password,
            }),
            _ => Err(Failure::Told(format!(
                "Iterations {iterations} is less than the minimum {MIN_ITERATIONS} required for {}",
                mechanism.name()
            ))),
        }
    }

    fn upsertion(&self, user: &str, mechanism: Mechanism) -> ScramCredentialUpsertion {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).expect("the operating system has random bytes");
        let salted = mechanism.salted(self.password.as_bytes(), &salt, self.iterations);
        ScramCredentialUpsertion {
            name: Str::copy_from(user),
            mechanism: mechanism.number(),
            iterations: i32::try_from(self.iterations).unwrap_or(i32::MAX),
            salt: Bytes::copy_from_slice(&salt),
            salted_password: Bytes::from(salted),
        }
    }
}

/// Changes the credentials of a user.
pub(super) async fn alter(
    cluster: &mut Cluster,
    user: &str,
    changes: &Changes,
) -> Result<(), Failure> {
    let mut secrets = Vec::new();
    for (name, text) in &changes.set {
        if let Some(mechanism) = Mechanism::of(name) {
            secrets.push((mechanism, Secret::parse(mechanism, text)?));
        }
    }
    let deleted = changes
        .delete
        .iter()
        .filter_map(|name| Mechanism::of(name))
        .map(|mechanism| ScramCredentialDeletion {
            name: Str::copy_from(user),
            mechanism: mechanism.number(),
        });
    let has_empty = secrets.iter().any(|(_, it)| it.password.is_empty());
    // As Kafka's client does, the cluster is asked even if a password is not acceptable, but for nothing.
    let request = if has_empty {
        AlterUserScramCredentialsRequest::default()
    } else {
        let upserted = secrets.iter();
        let upserted = upserted.map(|(mechanism, secret)| secret.upsertion(user, *mechanism));
        AlterUserScramCredentialsRequest {
            deletions: deleted.collect(),
            upsertions: upserted.collect(),
        }
    };
    let asked = cluster.ask_until(To::Controller, &request, |answer| {
        not_controller(answer.results.iter().map(|it| it.error_code))
    });
    let answer = asked.await?;
    if has_empty {
        ClusterError::check(
            ErrorCode::UNACCEPTABLE_CREDENTIAL,
            Some(Str::from_static("Password must not be empty")),
        )?;
    }
    for result in answer.results {
        ClusterError::check(result.error_code, result.error_message)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// What is told of a text that is no secret.
    fn refused(text: &str) -> String {
        match Secret::parse(Mechanism::Sha256, text) {
            Err(Failure::Told(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_secret_has_a_password_and_may_have_a_number() {
        let secret = |text| Secret::parse(Mechanism::Sha512, text).expect("a secret");

        let with_number = secret("iterations=8192,password=a,b=c");
        assert_eq!(
            (with_number.iterations, with_number.password),
            (8192, "a,b=c")
        );
        assert_eq!(secret("iterations=-1,password=").iterations, 4096);
        assert_eq!(secret("password=x").iterations, 4096);
    }

    #[test]
    fn what_is_no_secret_is_told_in_kafkas_words() {
        assert_eq!(
            refused("secret"),
            "Invalid credential property SCRAM_SHA_256=secret"
        );
        assert_eq!(
            refused("iterations=1x,password=p"),
            "Invalid credential property SCRAM_SHA_256=iterations=1x,password=p"
        );
        assert_eq!(
            refused("iterations=4095,password=p"),
            "Iterations 4095 is less than the minimum 4096 required for SCRAM-SHA-256"
        );
        assert_eq!(refused("iterations=,password=p"), "For input string: \"\"");
    }

    #[test]
    fn a_password_is_salted_as_rfc_5802_says() {
        // Salt, password and count are those of the exchange in RFC 7677; the rest is what another PBKDF2 makes of
        // them.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let salted =
            |mechanism: Mechanism| STANDARD.encode(mechanism.salted(b"pencil", &salt, 4096));

        assert_eq!(
            salted(Mechanism::Sha256),
            "xKSVEDI6tPlSysH6mUQZOeeOp01r6B3fcJbodRPcYV0="
        );
        assert_eq!(
            salted(Mechanism::Sha512),
            "8W7+G+Z/HQlQLr1e2SYv3f+6Wjd6tPC2h+XtW6D1Boa4pK4WZHbairO5UdL6kji2OZj0VGG8M6RkgUlJzsljHQ=="
        );
    }
}
