"""The language of a reply: that of the words it answers, as far as the script tells it."""

import re

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_ARABIC = re.compile(r"[\u0620-\u064a]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
_TRADITIONAL = re.compile(
    "[這個們來說時會對為過還沒開關業銀務請問詢進錢帳號碼網點經辦員處結訴揚議諮見讓給從後麼樣嗎應該長間電話實際畢報將與據發現無錯誤損壞"
    "轉賬儲貸歸額費戶頭專線櫃檯態確認證書檔選擇總數幾層樓門廳東車邊兒歲讀寫聽學習買賣價單萬億風險詐騙盜鎖凍罰監級場機構設備維護變動"
    "權義於臺灣讚謝壓紅綠藍黃豬馬魚鳥飛體檢驗舊響覺幫聯繫環節針準則歷記錄審週訊臨異賠償責係貴鑑籤簽領導遲遠較並許諾試課題顧願類]"
)
"""Characters that only traditional writing has. Among a customer's words to a bank there nearly always is one of them."""
_STRAY = 20
"""One traditional character to so many others is a name in simplified text."""
_LOOKED_AT = 400
"""Characters; enough to tell."""


def find_reply_language(text: str, default: str) -> str:
    """zh-Hans, zh-Hant, en or ar; `default` where the text does not tell (a picture, digits, Thai)."""
    text = text[:_LOOKED_AT]
    han = len(_HAN.findall(text))
    words = len(_LATIN_WORD.findall(text))
    if len(_ARABIC.findall(text)) > max(han, words):
        return "ar"
    if han:
        return "zh-Hant" if len(_TRADITIONAL.findall(text)) * _STRAY > han else "zh-Hans"
    return "en" if words else default
