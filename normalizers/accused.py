"""Whom the complaint is about, where the words name an institution or a member of staff."""

import re

from gateway.contract.complaint import Accused

_POST = r"副?行长|副?支行长|(?:大堂|客户|理财|信贷|个贷|对公|网点|值班|大客户|产品)?经理|柜员|柜台(?:人员)?|营业员|业务员|催收员?|保安|副?(?<!班)主任|襄理|主管|专员|理财师|坐席|客服"
_SURNAME = r"[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董潘袁蔡蒋余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾韦夏傅邹孟熊秦邱尹薛闫段雷侯史陶黎贺顾毛郝龚邵钱覃武戴莫孔汤康尤裴俞邢庄祁詹裘]"
_OFFICE = "支行|分行|分理处|储蓄所|营业部"
_HAS_OFFICE = re.compile(_OFFICE)
_BEGINS = "副行支大客理信个对网值产经柜营业催保班主襄专坐小老姓工员编"
_PERSON = re.compile(
    # One look at the first character spares most places.
    rf"(?=[{_BEGINS}]|{_SURNAME})(?:(?P<post>(?:{_POST})(?:小|老)?{_SURNAME}(?:某某|某|×+|X+|\*+|[\u4e00-\u9fff]{{1,2}}(?=[，,。.；;、！!\s（(]|$)|(?=[，,。.；;、！!\s]|$)))"
    rf"|(?P<called>(?<![\u4e00-\u9fff]){_SURNAME}(?:某)?(?:{_POST})|(?<=[的是个叫])(?:小|老)?{_SURNAME}(?:某)?(?:经理|行长|主任|柜员))"
    rf"|(?P<named>姓{_SURNAME}的(?:{_POST}|工作人员|员工|职员))"
    r"|(?P<number>(?:工号|员工号|编号)(?:尾号|尾数)?(?:好像)?(?:是|为|[:：])?\s{0,2}(?P<digits>[A-Za-z]?\d{2,8})))"
)
# A place name of two to six characters between a boundary and the word; anything else is a sentence about branches.
_INSTITUTION = re.compile(
    rf"(?:(?<=[在到去是于，。,.、；;：:（(\s])|^)(?P<name>[^\W\d_A-Za-z我你您他她它们的了个家哪每任某多谢感建根据般如后来需要这那本贵该从和跟被让说总各级上下]{{2,6}}(?:{_OFFICE}))"
)


def find_accused(text: str, original: str, *, person: str, institution: str) -> Accused | None:
    """`person` and `institution` are what the form or the branch table already say; they win over the words."""
    person = person or _find_person(text, original)
    if not institution:
        institution = _find_institution(text, original)
    return Accused(institution=institution, person=person) if person or institution else None


def _find_person(text: str, original: str) -> str:
    match = _PERSON.search(text)
    return original[match.start() : match.end()].strip() if match else ""


def _find_institution(text: str, original: str) -> str:
    if not _HAS_OFFICE.search(text):
        return ""
    match = _INSTITUTION.search(text)
    return original[match.start("name") : match.end("name")] if match else ""
