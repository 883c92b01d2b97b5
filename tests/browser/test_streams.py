"""A connection on which the end of a stream comes late: what is pressed meanwhile is answered all the same."""

from playwright.sync_api import expect

from tests.browser.conftest import Visit

expect.set_options(timeout=60_000)  # two cores, perhaps busy

# The page's streams, whose end is kept back until it is let through.
LATE_JS = """() => {
  const direct = window.fetch;
  window.fetch = async (...request) => {
    const answer = await direct(...request);
    if (!String(request[0]?.url ?? request[0]).includes("/queue/data")) return answer;
    const late = new TransformStream({ async transform(part, out) {
      if (window.keepsEnd && new TextDecoder().decode(part).includes('"close_stream"')) await new Promise((done) => { window.letEnd = done; });
      out.enqueue(part);
    } });
    return new Response(answer.body.pipeThrough(late), answer);
  };
}"""


def test_a_preset_pressed_while_the_end_of_the_last_answer_is_under_way_is_answered(browser, address):
    visit = Visit(browser)
    page = visit.open("about:blank")
    page.add_init_script(f"({LATE_JS})()")
    page.goto(f"{address}?tab=noising")
    chain = page.locator("#noising-chain figcaption")
    expect(page.locator("#noising-film img").first).to_be_visible()
    page.evaluate("window.keepsEnd = true")
    page.get_by_role("button", name="Half gone").click()
    page.wait_for_function("Boolean(window.letEnd)")
    with page.expect_request("**/queue/join*"):
        page.get_by_role("button", name="Values turn normal").click()
    page.wait_for_timeout(300)  # for an answer that came too soon
    page.evaluate("() => { window.keepsEnd = false; window.letEnd(); }")
    expect(chain).to_contain_text("600 small steps")
    assert not visit.errors
    visit.close()
