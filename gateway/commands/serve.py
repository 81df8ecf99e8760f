"""`huiyin serve`."""

import argparse
import json
from pathlib import Path

from config.settings import Settings
from gateway.app import Gateway, serve
from gateway.commands.opening import load_settings
from gateway.contract.ports import Posters
from gateway.ops.logs import set_up_logs
from gateway.ops.loops import run


def run_serve(options: argparse.Namespace) -> int:
    settings = load_settings(options).settings
    set_up_logs()
    announce = (lambda gateway: print(describe_demo(gateway, settings), flush=True)) if options.demo else None
    run(serve(settings, options.roles, announce))
    return 0


def describe_demo(gateway: Gateway, settings: Settings) -> str:
    """Where to go and what to try first."""
    base = gateway.public_url
    demo = Path(settings.data_dir) / "demo"
    complaint = {
        "call_id": "CALL-1",
        "turns": [
            {"role": "agent", "text": "您好，请问有什么可以帮您？"},
            {"role": "customer", "text": "我的信用卡昨天晚上被盗刷了八千元，不是我本人操作！"},
        ],
    }
    posters = next((channel for channel in gateway.channels.values() if isinstance(channel, Posters)), None)
    branch = posters.find_branch_link(next(iter(gateway.house.branches))) if posters and gateway.house.branches else "-"
    key = (demo / "hotline.key").read_text("utf-8").strip() if (demo / "hotline.key").exists() else "KEY"
    mail = next((entry.own() for entry in settings.channels.values() if entry.adapter == "email"), {})
    lines = [
        "",
        "  Huiyin 回音 is running. Try it:",
        "",
        f"  Branch page 行长秘书   {branch}",
        f"  Guestbook 留言簿       {base}/guestbook",
        f"  WeChat 公众号          {base}/wechat/gzh   (token and AES key: {demo})",
        *(
            [f"  E-mail                 smtp://{mail.get('host', '127.0.0.1')}:{mail['port']}"]
            if "port" in mail
            else []
        ),
        f"  Status of a receipt    {base}/r/RECEIPT",
        f"  Health                 {base}/ready   {base}/metrics   {base}/openapi.json",
        "",
        "  A call of the hotline (key made for this demo):",
        f"  curl -sS -X POST {base}/intake/hotline -H 'X-Huiyin-Key: {key}' -H 'Content-Type: application/json' \\",
        f"    -d '{json.dumps(complaint, ensure_ascii=False)}'",
        "",
        f"  Then: huiyin trace RECEIPT --data {settings.data_dir}",
        "",
    ]
    return "\n".join(lines)
