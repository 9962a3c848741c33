//! The language of a page: the request's, else its owner's, else the deployment's.

use entity::users;
use sea_orm::{ActiveValue::Set, EntityTrait};

use super::{
    ADA, NEW_PASSWORD, account,
    browser::{Browser, local},
    gateway,
};
use crate::support::Gateway;

#[tokio::test]
async fn a_page_speaks_the_language_of_the_browser() {
    let gateway = gateway().await;
    account(&gateway, ADA).await;
    gateway.visitor().request_password_reset(ADA).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let visitor = gateway.visitor();
    for (wanted, language, title) in [
        ("th", "th", "ตั้งรหัสผ่านใหม่"),
        ("de, th-TH;q=0.8, en;q=0.5", "th", "ตั้งรหัสผ่านใหม่"),
        ("en-US,en;q=0.9,th;q=0.8", "en", "Choose a new password"),
        ("de", "en", "Choose a new password"),
        ("", "en", "Choose a new password"),
    ] {
        let page = Browser::speaking(&visitor, wanted).open(&link).await.expect(200, title);
        assert_eq!((page.header("content-language"), page.tags("html")[0]["lang"].as_str()), (language, language), "{wanted}");
        assert!(page.header("vary").contains("Accept-Language"));
    }
    let thai = Browser::speaking(&visitor, "th");
    let page = thai.open(&link).await;
    let page = thai.press(&page, &[("newPassword", "short"), ("repeated", "short")]).await.expect(422, "รหัสผ่านสั้นเกินไป");
    thai.press(&page, &[("newPassword", NEW_PASSWORD), ("repeated", NEW_PASSWORD)]).await.expect(200, "เปลี่ยนรหัสผ่านแล้ว");
    thai.open(&link).await.expect(410, "ลิงก์ไม่ถูกต้องหรือถูกใช้ไปแล้ว");
    gateway.next_message(ADA).await;
}

#[tokio::test]
async fn where_the_browser_wants_none_of_ours_it_is_the_owners_and_stays_so() {
    let gateway = gateway().await;
    let member = account(&gateway, ADA).await;
    let thai = users::ActiveModel { id: Set(member.user_id.parse().unwrap()), locale: Set(Some("th-TH".to_owned())), ..Default::default() };
    users::Entity::update(thai).exec(&gateway.database().await).await.unwrap();
    gateway.visitor().request_sign_in_code(ADA).await;
    let link = local(gateway.next_message(ADA).await.link.as_ref().unwrap());
    let browser = Browser::speaking(&gateway.visitor(), "de");
    browser.follow(&link).await.expect(200, "คุณเข้าสู่ระบบแล้ว");
    gateway.next_message(ADA).await;
}

#[tokio::test]
async fn last_comes_the_deployments_language_and_name() {
    let gateway = Gateway::start_with(|config| {
        config.messages.locale = "th".to_owned();
        config.messages.product_name = "Acme <b>&amp; {product}".to_owned();
    })
    .await;
    let page = {
        let browser = Browser::speaking(&gateway.visitor(), "de");
        browser.send(browser.request(reqwest::Method::GET, "/sign-in?token=x")).await
    };
    assert_eq!((page.status, page.header("content-language")), (410, "th"));
    assert!(page.html.contains("Acme &lt;b&gt;&amp;amp; {product}") && !page.html.contains("<b>"), "{}", page.html);
}
