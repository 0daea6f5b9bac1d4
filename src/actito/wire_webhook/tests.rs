//! Subscriptions and deliveries, as documented.

use serde_json::json;

use super::super::wire_url::test_settings;
use super::*;

fn wanted(block: u32) -> WebhookSpec {
    WebhookSpec {
        event: WebhookEvent::Create,
        target: "https://click.shop.example/hooks/actito/shop".parse().unwrap(),
        secret: Zeroizing::new("very-secret".to_owned()),
        block,
    }
}

#[test]
fn urls_name_entity_and_subscription() {
    let actito = test_settings();
    let all = "https://api3.actito.com/webhooks/v4/entity/the%20shop/webhookSubscription";
    assert_eq!(url(&actito, None).as_str(), all);
    assert_eq!(url(&actito, WebhookId::parse("18").as_ref()).as_str(), format!("{all}/18"));
}

#[test]
fn a_subscription_is_written_as_documented() {
    let body = serde_json::to_value(Body::new(&test_settings(), &wanted(1))).unwrap();
    let expected = json!({
        "on": "PROFILE_TABLE", "onElementId": "31", "eventType": "CREATE", "onFields": ["emailAddress"],
        "targetUrl": "https://click.shop.example/hooks/actito/shop", "headers": {"X-Hook-Secret": "very-secret"},
        "webhookPushType": "ONE_BY_ONE", "isActive": true,
    });
    assert_eq!(body, expected);
    let bulk = serde_json::to_value(Body::new(&test_settings(), &wanted(100))).unwrap();
    assert_eq!((&bulk["webhookPushType"], &bulk["maxBlockSize"]), (&json!("BULK"), &json!(50)));
}

fn shown(change: &Value) -> Value {
    let mut shown = serde_json::to_value(Body::new(&test_settings(), &wanted(1))).unwrap();
    shown["id"] = json!(18);
    for (name, value) in change.as_object().unwrap() {
        shown[name] = value.clone();
    }
    shown
}

fn read(body: &Value) -> Option<Vec<Webhook>> {
    read_list(body.to_string().as_bytes(), &test_settings())
}

#[test]
fn what_was_written_is_read_back_as_wanted() {
    let all = read(&json!([shown(&json!({}))])).unwrap();
    assert_eq!(all[0].id.to_string(), "18");
    assert!(is_as_wanted(&test_settings(), &all[0], &wanted(1)));
    assert!(!is_as_wanted(&test_settings(), &all[0], &wanted(2)));
    let within = read(&json!({"webhooks": [shown(&json!({"headers": null}))], "total": 1})).unwrap();
    assert!(is_as_wanted(&test_settings(), &within[0], &wanted(1)), "a secret that is not shown");
}

#[test]
fn every_difference_is_seen() {
    for change in [
        json!({"eventType": "UPDATE"}),
        json!({"onFields": ["emailAddress", "reaid"]}),
        json!({"onFields": null}),
        json!({"targetUrl": "https://click.shop.example/"}),
        json!({"headers": {"X-Hook-Secret": "another"}}),
        json!({"headers": {}}),
        json!({"webhookPushType": "BULK", "maxBlockSize": 10}),
        json!({"isActive": false}),
    ] {
        let all = read(&json!([shown(&change)])).unwrap();
        assert!(!is_as_wanted(&test_settings(), &all[0], &wanted(1)), "{change}");
    }
}

#[test]
fn subscriptions_of_other_tables_are_not_ours() {
    let others = json!([shown(&json!({"onElementId": "32"})), shown(&json!({"on": "CUSTOM_TABLE"}))]);
    assert!(read(&others).unwrap().is_empty());
    assert_eq!(read(&json!([shown(&json!({"onElementId": 31}))])).unwrap().len(), 1);
    assert!(read(&json!({"message": "no"})).is_none());
}

#[test]
fn no_secret_is_printed() {
    let webhook = read(&json!([shown(&json!({}))])).unwrap().remove(0);
    assert!(!format!("{webhook:?} {:?}", wanted(1)).contains("very-secret"));
}

fn delivered(body: &Value) -> Option<Vec<(Option<i64>, Option<String>)>> {
    let pushed = read_delivery(body.to_string().as_bytes(), &test_settings())?;
    Some(pushed.into_iter().map(|it| (it.profile.map(ProfileId::to_i64), it.address)).collect())
}

#[test]
fn all_documented_deliveries_are_understood() {
    let jane = (Some(812), Some("jane@example.org".to_owned()));
    let data = json!({"profileId": "812", "emailAddress": "jane@example.org"});
    let v1 = json!({"id": 21, "tableType": "PROFILE_TABLE", "tableId": "31", "fields": null,
        "eventType": "CREATE", "data": data});
    let v2 = |data: Value| json!({"id": "7d6a2f0e", "data": data, "_links": {"webhook": {"href": "https://x"}}});
    assert_eq!(delivered(&v1).unwrap(), std::slice::from_ref(&jane));
    assert_eq!(delivered(&json!([v1, v1])).unwrap(), [jane.clone(), jane.clone()]);
    assert_eq!(delivered(&v2(data.clone())).unwrap(), std::slice::from_ref(&jane));
    assert_eq!(delivered(&v2(json!([data, {"profileId": 813}]))).unwrap(), [jane, (Some(813), None)]);
}

#[test]
fn what_names_nobody_is_kept_as_such_and_what_is_no_delivery_is_none() {
    assert_eq!(delivered(&json!({"data": {"profileId": "x", "emailAddress": null}})).unwrap(), [(None, None)]);
    assert_eq!(delivered(&json!({"tableId": "32", "data": {"profileId": "1"}})).unwrap(), []);
    assert_eq!(delivered(&json!([])).unwrap(), []);
    for wrong in [json!("x"), json!(null), json!([1]), json!([[[[[{}]]]]])] {
        assert_eq!(delivered(&wrong), None, "{wrong}");
    }
    assert!(read_delivery(b"<html>", &test_settings()).is_none());
}

#[test]
fn a_delivery_never_prints_the_address() {
    let pushed = read_delivery(br#"{"data":{"profileId":"812","emailAddress":"jane@example.org"}}"#, &test_settings());
    assert!(!format!("{pushed:?}").contains("jane"));
}
