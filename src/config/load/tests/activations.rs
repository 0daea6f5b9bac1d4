//! Activations and where their files go, right and wrong.

use super::*;

const ACTIVATION: &str = r#"[[activation]]
name = "Newsletter audiences"
integration = "shop"
person_identifier = "Email"
audiences = ["Cat owners"]
source = { directory = "audiences/" }
"#;

#[test]
fn the_smallest_activation_gets_every_default() {
    let config = parse(&format!("{SMALLEST}{ACTIVATION}")).unwrap();
    let activation = &config.activations[0];
    assert!(activation.schedule.is_none() && activation.file == ReferenceFile::default());
    assert_eq!(activation.destination, AudienceDestination::Folder("/etc/reaid/targets".into()));
}

#[test]
fn a_wrong_activation_is_refused_with_its_place() {
    for (from, to, says) in [
        ("\"shop\"", "\"x\"", "activation.integration: there is no integration named `x`"),
        ("\"Email\"", "\"Name\"", "activation.person_identifier: unknown variant `Name`"),
        ("[\"Cat owners\"]", "[]", "activation.audiences: expected at least one audience"),
        ("[\"Cat owners\"]", "[\"a\", \"a\"]", "activation.audiences: audience `a` stands here twice"),
        ("{ directory = \"audiences/\" }", "{}", "activation.source: expected { cdp_api = "),
        (
            "{ directory = \"audiences/\" }",
            "{ cdp_api = \"https://x.example\" }",
            "activation.source: expected api_key",
        ),
        ("source =", "schedule = { every = \"1s\" }\nsource =", "activation.schedule.every: expected at least 1m"),
        ("source =", "schedule = { every = \"1h\", start = \"now\" }\nsource =", "start: expected a time as in"),
        ("source =", "max_shrink = 1.5\nsource =", "activation.max_shrink: expected a share from 0.0 to 1.0"),
        ("source =", "max_size = \"101MB\"\nsource =", "activation.max_size: expected 1kB to 100MB"),
        ("source =", "like = \"x\"\nsource =", "activation.like: there is no activation named `x`"),
    ] {
        let error = parse(&format!("{SMALLEST}{}", ACTIVATION.replace(from, to))).unwrap_err().to_string();
        assert!(error.contains(says), "{error}\nshould say {says}");
    }
    let twice = format!("{SMALLEST}{ACTIVATION}{}", ACTIVATION.replace("Newsletter audiences", "Again"));
    let error = parse(&twice).unwrap_err().to_string();
    assert!(error.contains("audience `Cat owners` already goes there by activation `Newsletter audiences`"), "{error}");
}

const HOST_KEY: &str = "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg";

/// What becomes of a destination.
fn destination(written: &str) -> Result<AudienceDestination, ConfigError> {
    let written = format!("{SMALLEST}{ACTIVATION}destination = {{ {written} }}\n");
    parse(&written).map(|config| config.activations[0].destination.clone())
}

#[test]
fn a_file_server_is_a_destination() {
    let secret = "password = { env = \"X\" }";
    let sftp = destination(&format!("sftp = \"files.example\", user = \"u\", host_key = \"{HOST_KEY}\", {secret}"));
    let AudienceDestination::Server(server) = sftp.unwrap() else { panic!() };
    assert_eq!((server.to_string().as_str(), server.port), ("sftp://files.example:22/", 22));
    let ftps = "ftps = \"[::1]:2121\", user = \"u@x\", directory = \"/in/\", certificate_authority = \"system\"";
    let ftps = destination(&format!("{ftps}, {secret}"));
    let AudienceDestination::Server(server) = ftps.unwrap() else { panic!() };
    // What is shown and remembered names nobody.
    assert_eq!((format!("{server:?}").as_str(), server.directory.as_str()), ("ftps://[::1]:2121/in", "/in"));
}

#[test]
fn every_secret_of_a_file_server_that_is_kept_in_a_file_is_tried_before_anything_starts() {
    let logins = ["password", "private_key", "private_key = { env = \"X\" }, passphrase"];
    let logins = logins.map(|login| format!("sftp = \"x\", host_key = \"{HOST_KEY}\", {login}"));
    for login in logins.into_iter().chain(["ftps = \"x\", certificate_authority = \"system\", password".to_owned()]) {
        let written = format!("destination = {{ user = \"u\", {login} = {{ file = \"/nowhere\" }} }}\n");
        let text = format!("{SMALLEST}{ACTIVATION}{written}").replace("file = \"data/admin-token\"", "env = \"X\"");
        assert!(parse(&text).unwrap().check_secret_files().unwrap_err().to_string().contains("/nowhere"));
    }
}

#[test]
fn a_wrong_destination_is_refused_with_its_place() {
    let sftp = format!("sftp = \"x:22\", user = \"u\", host_key = \"{HOST_KEY}\"");
    let secret = "password = { env = \"X\" }";
    for (written, says) in [
        (String::new(), "activation.destination: expected { directory"),
        (format!("sftp = \"x\", ftps = \"x\", user = \"u\", {secret}"), "activation.destination: expected"),
        (format!("sftp = \"x:y\", user = \"u\", host_key = \"{HOST_KEY}\", {secret}"), "sftp: expected a host as in"),
        (format!("sftp = \"x\", user = \"u\", {secret}"), "destination: expected host_key = \"SHA256:…\""),
        (format!("sftp = \"x\", user = \"u\", host_key = \"MD5:1\", {secret}"), "host_key: expected a fingerprint"),
        (format!("sftp = \"x\", host_key = \"{HOST_KEY}\", {secret}"), "destination: expected user"),
        (sftp.clone(), "destination: expected either private_key"),
        (format!("{sftp}, {secret}, certificate = \"aa\""), "certificate: expected ftps = \"host:port\" beside it"),
        ("ftps = \"x\", user = \"u\"".to_owned(), "destination: expected password"),
        (format!("ftps = \"x\", user = \"u\", certificate = \"aa\", {secret}"), "certificate: expected the SHA-256"),
        (format!("ftps = \"x\", user = \"u\", certificate = [], {secret}"), "certificate: expected the SHA-256"),
        (format!("ftps = \"x\", user = \"u\", {secret}"), "destination: expected certificate = \"…\""),
        (format!("sftp = \"x\", user = \"u\", host_key = [], {secret}"), "host_key: expected a fingerprint"),
        ("directory = \"x\", user = \"u\"".to_owned(), "user: expected sftp or ftps beside it"),
        (format!("{sftp}, password = \"hunter2\""), "no secret is written here"),
    ] {
        let error = destination(&written).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("hunter2"), "{error}\nshould say {says}");
    }
}
