"""Who complains: name, role, anonymity, how many. Precision before recall: a wrong name is worse than none."""

import re
from collections.abc import Iterator

from gateway.contract.complaint import Role
from normalizers.numeral import read_numeral

# The 200 most frequent family names cover about 96 % of the population; those that are everyday words (如 和 时 从 能 都)
# are left out.
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董潘袁蔡蒋余于杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾韦夏傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔汤康易乔赖樊兰殷施洪翟安颜倪牛温芦季俞章鲁葛伍申尤毕聂焦向柳邢岳齐梅庄辛管祝左涂谷祁耿舒詹关苗费纪靳盛童欧甄项裴席卫成宁霍柴蒲游喻翁瞿封古阎冉牟阮柯尚鲍司卓甘桂蓝路景车房蒙屈包边骆宫苟桑巫荣凌迟闵穆宗隋仇解应晏湛沙姬滕占鞠冼麦娄冷简卜敖戚饶尧楼邬臧佟刁辜糜"
_COMPOUND = "欧阳|司马|上官|诸葛|夏侯|皇甫|尉迟|公孙|慕容|令狐|司徒|东方|南宫|端木|百里|呼延|长孙|宇文|申屠|轩辕"
_HAN = r"[\u3400-\u9fff\U00020000-\U000323af]"
_GIVEN_NOT = r"[的是在了我你他她们不有这那个和与及也就都很没去来到给被把对为从让说要想用]"
_NAME = rf"(?:(?:{_COMPOUND}){_HAN}{{1,2}}|[{_SURNAMES}]{_HAN}{{1,2}})"
_AFTER_NAME = r"(?=\s|$|[，,。.！!；;、:：（(\[【~～·—\-\d]|身份证|证件|电话|手机|联系|今年|来自|卡号|账号|工作|家住|住在|现居|性别|男|女|系|是贵|是你|于|因|的(?:电话|手机|身份证)|要投诉|投诉|反映|就是|代表|想|办|卖|开|做)"
# Ordinary words that begin like a name.
_NO_NAME = re.compile(
    r"谢|万|高[中一二三龄级管校考]|金[卡融葵领牌]|白[金领天班血手]|安[徽全保心]|江[西苏门]|温州|石家|宁[波夏德]|成[都年员]|马[上来]|方[便面法案]|管[理家事]|房[东主贷产奴子]|车[主间位手]|关[于注心键]|许[多久可]|任[何职]|应[该届聘]|向[你您贵上]|于[是今上昨去本下年月一二三四五六七八九十]|包[工括]|路[人过上]|童[鞋工装]|古[稀]|解[释决除放]|盛[怒]|武[汉警]|广|司[机法]|老|麻烦|施工|程序|项目|封[号控]|纪[委检]|康复|季度|毕业|何[时必况处]|严[重查惩肃]|温馨|龙岩|连|费用|边[防境]|雷锋|章程|单|经[理营]|兰州|苏州|杭州|徐州|郑州|常|莫名|莫非|游[客]|项|祝[您你贵好]|单位|左右|简[单直]|迟|冷|黄金|黄牛|蓝领|麦克|周[一二三四五六日末边期]|时|郭德|史上|顾客|贺|曾[经]|余额|段时|段路|陆续|申[请诉]|屈|易|卫[生]|柴油|辛苦|荣[幸誉]|田[地径]|叶|秦皇|沈阳|沙|景|程|石油|唐山|孔|邮|尚未|宗|车|齐|侯|甘肃|桂林|海|汤|金|姜|席|章|柳州|欧洲|蒙|喻|穆|梅州|毛[病利]|单亲|孙子|孙女|孙辈|外|林业|林区|林场|马路|白天|白血|高血|何况|乔迁"
)  # fmt: skip
_SELF_WORDS = re.compile(r"[人员工师者长生客户家主民兵学妈爸婆公奶爷哥姐弟妹儿子女孩青年]$")

_INTRODUCED = re.compile(
    # One look at the first character spares most places.
    rf"(?=[我本名姓投联申反当来署落客户举])(?:我叫|我的名字(?:是|叫)|本人(?:姓名)?(?:叫|是|[:：])?|名叫|(?<![他她对名])姓名(?:是|[:：])?|(?:投诉人|联系人|申请人|反映人|当事人|来信人|署名|落款|客户姓名|户名|举报人)(?:是|叫|[:：])?)\s{{0,2}}(?P<name>{_NAME}){_AFTER_NAME}"
)
_I_AM = re.compile(rf"(?:^|[，,。.！!？?；;\n\s：:])(?:您好|你好)?\s?我是(?P<name>{_NAME})(?=[，,。.！!；;、（(\n]|$)")
_TITLED = re.compile(
    rf"(?:我是|我姓|免贵姓|本人姓|敝姓|贵姓)(?P<name>(?:{_COMPOUND}|[{_SURNAMES}])(?:先生|女士|小姐)?)(?=[，,。.！!；;、（(\s]|$)"
)
_SIGNED = re.compile(
    rf"[。.！!？?\n”」）)]\s{{0,4}}(?:此致\s?敬礼[!！。]?\s{{0,4}})?(?P<name>{_NAME})\s{{0,2}}(?:敬上|敬启|謹啟|谨启|上|拜上|留)?\s*$"
)
_MY_NAME = re.compile(
    r"\b(?:my name is|my name's|this is my name:?|name\s?:)\s+(?P<name>[^\W\d_][\w'’.\-]*(?: [^\W\d_][\w'’\-]*){0,3})",
    re.IGNORECASE,
)
_I_AM_ENGLISH = re.compile(
    r"\b(?:[Ii] am|[Ii]'m|[Tt]his is) (?P<name>[A-Z][a-z'’\-]+(?: [A-Z][a-z'’\-]+){1,2})(?=[,.;!]| and| from| here|\n|$)"
)
_REGARDS = re.compile(
    r"\b(?:regards|sincerely|faithfully|thanks|thank you|cheers|best),?\s{0,3}\n\s{0,3}(?P<name>[A-Z][\w'’.\-]+(?: [A-Z][\w'’.\-]+){1,3})\s*$",
    re.IGNORECASE,
)
_ARABIC = re.compile(
    r"(?:اسمي|انا اسمي|أنا اسمي)\s+(?P<name>[\u0620-\u064a]{2,15}(?:\s[\u0620-\u064a]{2,15}){0,2})(?=[\s،,.؛]|$)"
)
_NAME_ENDS = re.compile(
    r"\s(?:and|i|my|from|with|here|calling|i'm|ssn|but|or|is|the|card|account|phone|email|number|a|an|who|in|at)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_NO_ENGLISH_NAME = frozenset(
    {"not", "on", "wrong", "misspelled", "spelled", "the", "a", "in", "still", "incorrect", "being", "very", "so"}
)
_ADDRESSED = re.compile(rf"(?P<name>(?:{_COMPOUND}|[{_SURNAMES}])(?:先生|女士|小姐))")

_WEBMAIL = re.compile(r"[\w.+\-]+@|^\d{5,}$|^(?:微信用户|匿名|none|null|unknown|anonymous|无|n/a|test)$", re.IGNORECASE)


def read_name(given: str) -> str:
    """A name as a form, a call record or a mail header gives it; empty for what is an address or a placeholder."""
    name = " ".join(given.strip(" \t\r\n\"'“”‘’<>,，;；").split())[:60]
    return "" if _WEBMAIL.search(name) else name


def find_name(text: str, original: str) -> str:
    """The customer's own name in the customer's own words. `text` as `normalizers.text.plain` gives it."""
    for start, end in _search_names(text):
        return original[start:end].strip(" ,.")
    return ""


def find_addressed_name(agent_text: str) -> str:
    """王女士 in `王女士，您好`: how the agent calls the customer, where the customer gives no name."""
    match = _ADDRESSED.search(agent_text)
    return match["name"] if match else ""


def _search_names(text: str) -> Iterator[tuple[int, int]]:
    if any(word in text for word in ("我叫", "名", "本人", "人")):
        for match in _INTRODUCED.finditer(text):
            if not _NO_NAME.match(match["name"]):
                yield match.span("name")
    if "我是" in text or "姓" in text:
        for match in _I_AM.finditer(text):
            name = match["name"]
            if not _NO_NAME.match(name) and not _SELF_WORDS.search(name) and not re.search(_GIVEN_NOT, name):
                yield match.span("name")
        for match in _TITLED.finditer(text):
            yield match.span("name")
    tail = text[-60:]
    signed = _SIGNED.search(tail)
    if signed and not _NO_NAME.match(signed["name"]) and not re.search(_GIVEN_NOT, signed["name"]):
        offset = len(text) - len(tail)
        yield signed.start("name") + offset, signed.end("name") + offset
    yield from _search_foreign_names(text)


def _search_foreign_names(text: str) -> Iterator[tuple[int, int]]:
    if "اسمي" in text:
        for match in _ARABIC.finditer(text):
            yield match.span("name")
    lowered = text.lower()
    if "name" in lowered:
        for match in _MY_NAME.finditer(text):
            name = _NAME_ENDS.sub("", match["name"])
            if name.lower().split()[0] not in _NO_ENGLISH_NAME:
                yield match.start("name"), match.start("name") + len(name)
    if "i am" in lowered or "i'm" in lowered or "this is" in lowered:
        for match in _I_AM_ENGLISH.finditer(text):
            yield match.span("name")
    match_end = _REGARDS.search(text[-120:]) if "\n" in text[-120:] else None
    if match_end:
        offset = max(0, len(text) - 120)
        yield match_end.start("name") + offset, match_end.end("name") + offset


_ORGANISATION = re.compile(
    r"我司|我公司|本公司|我们公司|敝公司|我单位|本单位|我厂|我校|我院|弊司|our company|on behalf of (?:our|the) company",
    re.IGNORECASE,
)
_LEGAL = re.compile(
    r"我(?:是|系|作为)[^，。；\n]{0,16}(?:法定代表人|法人代表|法定代理人|监护人)|本人(?:是|系|作为)[^，。；\n]{0,16}(?:法定代表人|法定代理人|监护人)|I am (?:the|his|her|their) (?:legal )?guardian",
    re.IGNORECASE,
)
_AGENT = re.compile(
    r"代理人|受[^，。；\n]{1,14}(?:的)?(?:委托|之托)|(?:我的|本)?委托人|我(?:的)?当事人|受托|全权委托|代理律师|(?:替|代|帮我?(?![他她]))(?:我)?(?:妈|爸|母亲|父亲|爷爷|奶奶|外公|外婆|公公|婆婆|阿嬷|阿公|老伴|爱人|老公|老婆|丈夫|妻子|家人|朋友|邻居|儿子|女儿|她|他)[^，。；\n]{0,8}(?:投诉|反映|反应|写|问|申请|办|打这个|来信|留言)|on behalf of my|my client|power of attorney|acting for",
    re.IGNORECASE,
)
_HEIR = re.compile(
    r"继承人|继承(?:我|父|母|他|她|其)|(?:父亲|母亲|爸|妈|老伴|老头子?|老太婆|丈夫|妻子|老公|老婆|爱人|爷爷|奶奶|外公|外婆|哥哥|姐姐|弟弟|妹妹|儿子|女儿|配偶|他|她)[^。；\n]{0,10}(?:去世|过世|身故|病故|病逝|亡故|离世|咽的?气|走了以?后)[^。\n]{0,40}(?:名下|存折|折子|存款|余款|余额|遗产|取|账户|卡|继承|保单|存单)|遗嘱执行|遗产管理人|my (?:late|deceased) (?:father|mother|husband|wife|parent)|(?:executor|heir|next of kin)",
    re.IGNORECASE,
)
_ROLES = (
    (Role.LEGAL_REPRESENTATIVE, _LEGAL, re.compile("法定代|法人代表|监护人|guardian")),
    (Role.HEIR, _HEIR, re.compile("世|继承|故|逝|亡|遗|咽|走了|late |deceased|executor|heir|next of kin")),
    (Role.AGENT, _AGENT, re.compile("代|托|当事人|替|帮|behalf|client|attorney|acting for")),
    (Role.ORGANISATION, _ORGANISATION, re.compile("司|单位|我厂|我校|我院|company")),
)
_ANONYMOUS = re.compile(
    r"(?<![非不])匿名(?!信|举报人|评论|者|电话)|不(?:愿|想|便|方便)(?:意)?(?:透露|留|说)(?:我的|真实)?(?:姓名|名字)|(?:remain|stay|be) anonymous|anonymously",
    re.IGNORECASE,
)
_REAL_NAME = re.compile(r"不(?:要|是|用|必)?匿名|实名")
_COUNT = r"\d{1,6}|[一二两三四五六七八九十百千]{1,7}"
_PARTY = re.compile(
    rf"(?=[我俺咱吾代联连\d一二两三四五六七八九十百千wW])(?:(?:我们|我等|俺们|咱们?|我辈|吾等|代表|联名|联合|我(?:和|与|跟|同|及)|连同)[^，,。；;\n\d一二两三四五六七八九十百千]{{0,8}}(?P<a>{_COUNT})(?:多|余|几|来)?(?:名|位|个人|个(?=业主|储户|客户|投资|受害|村民|职工|老|工友|家属|用户|户主|同事|家庭|股东|股民|村|债)|号人|户|人)(?!民)"
    rf"|(?P<b>{_COUNT})(?:多|余|几|来)?(?:名|位|个|户|号)?(?:业主|储户|投资人|投资者|受害人|受害者)(?:集体|联名|一起|共同|委托我|推举)"
    r"|\bwe are (?P<c>\d{1,5}) (?:customers|people|residents|investors|victims|owners)|\b(?P<d>\d{1,5}) of us\b)",
    re.IGNORECASE,
)
_PARTY_GATE = re.compile("们|等|咱|我辈|代表|联|我和|我与|我跟|我同|我及|连同|业主|储户|投资|受害| of us|e are ")


def find_role(text: str) -> Role | None:
    """In whose right somebody complains, where the words say it."""
    # Most complaints are one's own; a look for these few characters costs a fraction of the rules.
    lowered = text.lower()
    for role, pattern, gate in _ROLES:
        if gate.search(lowered) and pattern.search(text):
            return role
    return None


def find_anonymous(text: str) -> bool:
    if not any(word in text for word in ("匿名", "姓名", "名字", "nonym")):
        return False
    return bool(_ANONYMOUS.search(text)) and not _REAL_NAME.search(text)


def count_party(text: str) -> int | None:
    """`我们30多个业主` -> 30. The number that is said, without those that are only hinted at; None below 2."""
    if not _PARTY_GATE.search(text):
        return None
    for match in _PARTY.finditer(text):
        value = read_numeral(match["a"] or match["b"] or match["c"] or match["d"])
        if value is not None and 2 <= value <= 1_000_000:
            return int(value)
    return None
