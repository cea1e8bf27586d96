//! The story through the newest rskafka.

extern crate rskafka_newest as rskafka;

mod story;

#[tokio::main]
async fn main() {
    story::tell().await;
}
