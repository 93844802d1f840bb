"""The console in a real browser: signed in, an incident raised and taken on, the page kept true by itself.

Every request the browser makes is looked at: none goes to another host. `pytest --basetemp=DIRECTORY` keeps pictures.
"""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.databases import missing

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE = (390, 844)
DESK = (1440, 960)


@dataclass(frozen=True)
class Service:
    """A service that really runs, and the key it printed."""

    url: str
    key: str


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Nothing of the settings of whoever runs the tests.
    environment = {
        "PATH": "/usr/bin:/bin", "MUSTER_DATA_DIR": str(tmp_path / "data"), "MUSTER_LOG_LEVEL": "WARNING",
        "MUSTER_PLAN": str(ROOT / "playbooks.yaml"), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert process.stdout is not None
            key = ""
            for line in process.stdout:
                if found := re.search(r"mst_\S+", line):
                    key = found.group(0)
                    break
            assert key, (tmp_path / "log").read_text()
            url = f"http://127.0.0.1:{port}"
            transport = httpx.HTTPTransport(retries=10)
            with httpx.Client(transport=transport, base_url=url, trust_env=False) as client:
                assert client.get("/readyz").status_code == 200
            yield Service(url, key)
        finally:
            process.terminate()
            process.wait(20)
            if process.stdout is not None:
                process.stdout.close()


@dataclass
class Seen:
    """What the browser asked for and complained of."""

    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)


@dataclass(frozen=True)
class Camera:
    """Takes pictures at a desk and on a phone for whoever wants to look; without a directory, none."""

    directory: Path | None

    async def shot(self, page: Page, name: str) -> None:
        if self.directory is None:
            return
        for kind, (width, height) in (("desk", DESK), ("phone", PHONE)):
            await page.set_viewport_size({"width": width, "height": height})
            await page.screenshot(path=str(self.directory / f"{name}-{kind}.png"), full_page=True)
        await page.set_viewport_size({"width": DESK[0], "height": DESK[1]})


@pytest.fixture
def camera(request: pytest.FixtureRequest, tmp_path: Path) -> Camera:
    return Camera(tmp_path if request.config.getoption("basetemp") else None)


async def nothing_sticks_out(page: Page) -> None:
    """On a phone the page is no wider than the screen."""
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    await page.set_viewport_size({"width": DESK[0], "height": DESK[1]})


async def test_an_incident_is_raised_and_taken_on_and_the_page_stays_true(
    service: Service, camera: Camera
) -> None:
    if PROGRAM is None:
        missing("chromium")
    seen = Seen()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        context = await browser.new_context(locale="zh-CN", viewport={"width": DESK[0], "height": DESK[1]})
        page = await context.new_page()
        seen.watch(page)

        # A wrong key is told what to do; the right one opens the board, which says that nobody can be told.
        await page.goto(service.url)
        await camera.shot(page, "1-sign-in")
        await page.get_by_label("密钥").fill("mst_wrong")
        await page.get_by_role("button", name="登录").click()
        await expect(page.get_by_role("alert")).to_contain_text("密钥无效")
        seen.complaints.clear()  # the browser notes the 401
        await page.get_by_label("密钥").fill(service.key)
        await page.get_by_role("button", name="登录").click()
        await expect(page.get_by_role("heading", name="目前通知不到任何人")).to_be_visible()
        await camera.shot(page, "2-empty-board")
        await nothing_sticks_out(page)
        await page.get_by_role("button", name="加载示例组织").click()
        await expect(page.get_by_text("已加载示例组织")).to_be_visible()

        # An incident is raised by the form of the board.
        await page.get_by_label("发生了什么").fill("呼叫中心全部线路无法接入")
        await page.get_by_label("事件类型").select_option("system_outage")
        await page.get_by_label("响应级别").select_option("1")
        await page.get_by_label("情况说明").fill("03:00 起所有来电无法接通，自助语音同样不可用。")
        await page.get_by_role("button", name="上报事件").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("呼叫中心全部线路无法接入")
        # Who was told appears by itself, without anybody reloading.
        await expect(page.locator("#notices")).to_contain_text("陈思远", timeout=15000)
        await camera.shot(page, "3-raised")
        await nothing_sticks_out(page)

        # Somebody types an update; meanwhile another person has it. The line appears, what was typed stays.
        draft = page.get_by_label("最新情况")
        await draft.fill("正在切换备用")
        await draft.press("End")
        number = page.url.rpartition("/")[2]
        async with httpx.AsyncClient(base_url=service.url, trust_env=False) as other:
            said = await other.post(
                f"/api/v1/incidents/{number}/acknowledgements",
                json={"note": "x"},
                headers={"Authorization": f"Bearer {service.key}"},
            )
            assert said.status_code == 201
        await expect(page.locator("#timeline li").first).to_contain_text("通过接口", timeout=15000)
        await expect(draft).to_have_value("正在切换备用")
        await expect(draft).to_be_focused()
        await page.keyboard.type("系统")
        await expect(draft).to_have_value("正在切换备用系统")
        await draft.fill("")

        # The plan is started by the buttons that the table permits.
        for deed, state in (("评估定级", "已评估"), ("启动预案", "已启动"), ("开始处置", "处置中")):
            await page.locator("summary", has_text=deed).click()
            await page.get_by_role("button", name=f"确认：{deed}").click()
            await expect(page.locator(".marks")).to_contain_text(state)
        await expect(page.get_by_role("listitem").filter(has_text="应急处置").first).to_have_attribute(
            "aria-current", "step"
        )
        await expect(page.locator("#questions, #tasks").first).to_be_visible(timeout=15000)
        await camera.shot(page, "4-responding")
        await nothing_sticks_out(page)
        await page.emulate_media(color_scheme="dark")
        await camera.shot(page, "5-responding-dark")
        await page.emulate_media(color_scheme="light")

        # A refusal keeps what was typed.
        seen.complaints = [one for one in seen.complaints if "401" not in one]
        await page.locator("summary", has_text="关闭").click()
        reason = page.locator("#deed-close").get_by_label("理由")
        await reason.fill("线路已恢复")
        await page.get_by_role("button", name="确认：关闭").click()
        await expect(page.locator("#refusal")).to_be_focused()
        await expect(page.locator("#deed-close").get_by_label("理由")).to_have_value("线路已恢复")
        await camera.shot(page, "6-refused")
        seen.complaints = [one for one in seen.complaints if "409" not in one]

        await page.goto(f"{service.url}/board")
        await camera.shot(page, "7-board")
        await nothing_sticks_out(page)
        await page.goto(f"{service.url}/people")
        await camera.shot(page, "8-people")
        await nothing_sticks_out(page)
        await browser.close()

    assert seen.hosts == {"127.0.0.1"}
    assert seen.complaints == []
