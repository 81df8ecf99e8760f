"""Which column of somebody's table means what: header names in Chinese and English -> our fields."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": (
        "id",
        "编号",
        "留言编号",
        "留言id",
        "留言号",
        "工单编号",
        "工单号",
        "流水号",
        "entryid",
        "messageid",
        "recordid",
        "number",
    ),
    "text": (
        *(
            "text",
            "content",
            "message",
            "body",
            "comment",
            "comments",
            "feedback",
            "description",
            "details",
            "narrative",
        ),
        *("内容", "留言内容", "留言详情", "留言", "投诉内容", "意见内容", "反馈内容", "意见", "意见建议", "意见与建议"),
        *(
            "问题描述",
            "详情",
            "描述",
            "正文",
            "反映内容",
            "诉求内容",
            "內容",
            "留言內容",
            "投訴內容",
            "意見",
            "意見內容",
        ),
    ),
    "title": ("title", "subject", "标题", "主题", "留言主题", "留言标题", "題目", "題名", "標題", "主題"),
    "kind": ("kind", "type", "category", "类型", "类别", "留言类型", "留言类别", "诉求类型", "性质", "類型", "類別"),
    "phone": (
        *("phone", "mobile", "tel", "telephone", "phonenumber", "mobilenumber", "contactphone", "contact"),
        *(
            "电话",
            "手机",
            "手机号",
            "手机号码",
            "联系电话",
            "联系方式",
            "电话号码",
            "電話",
            "手機",
            "手機號",
            "聯絡電話",
        ),
    ),
    "name": (
        *("name", "user", "username", "customer", "customername", "author", "fullname"),
        *("姓名", "客户姓名", "留言人", "留言用户", "客户", "投诉人", "联系人", "称呼", "客户名称", "客戶姓名", "稱呼"),
    ),
    "email": ("email", "mail", "邮箱", "电子邮箱", "邮件", "电子邮件", "郵箱", "電子郵件"),
    "id_number": (
        "idnumber",
        "idcard",
        "身份证",
        "身份证号",
        "身份证号码",
        "证件号",
        "证件号码",
        "身份證號",
        "證件號碼",
    ),
    "time": (
        *(
            "time",
            "date",
            "datetime",
            "createdat",
            "created",
            "submittedat",
            "timestamp",
            "occurredat",
            "留言时间",
            "时间",
        ),
        *(
            "日期",
            "提交时间",
            "投诉时间",
            "创建时间",
            "反馈时间",
            "登记时间",
            "发布时间",
            "時間",
            "留言時間",
            "提交時間",
        ),
    ),
    "branch": (
        *(
            "branch",
            "branchname",
            "outlet",
            "office",
            "网点",
            "网点名称",
            "支行",
            "分行",
            "机构",
            "机构名称",
            "营业网点",
        ),
        *("所属网点", "開戶網點", "網點", "網點名稱", "機構"),
    ),
    "branch_code": ("branchcode", "branchid", "网点号", "网点代码", "网点编号", "机构号", "机构代码", "網點編號"),
    "request": ("request", "demand", "诉求", "客户诉求", "投诉诉求", "期望", "希望", "訴求"),
    "accused": ("accused", "staff", "employee", "被投诉人", "员工", "涉及员工", "柜员"),
    "reply": (
        "reply",
        "response",
        "answer",
        "officialreply",
        "答复",
        "回复",
        "答复意见",
        "回复内容",
        "官方回复",
        "处理结果",
        "答覆",
        "回覆",
    ),
    "language": ("lang", "language", "语言"),
}

_MEANING = {name: field for field, names in NAMES.items() for name in names}
_DECORATION = re.compile(r"[\s_\-*:：（）()\[\]【】·]|必填|选填")


def find_field(header: str) -> str | None:
    """`联系电话（必填）` -> `phone`; None for a column that we do not know."""
    return _MEANING.get(_DECORATION.sub("", unicodedata.normalize("NFKC", header)).lower())


def match_columns(row: Mapping[str, str]) -> dict[str, str]:
    """Header -> value becomes field -> value; of two columns of one meaning the first that is filled counts."""
    found: dict[str, str] = {}
    for header, value in row.items():
        field = find_field(header)
        if field and value and field not in found:
            found[field] = value
    return found


def has_words(headers: Iterable[str]) -> bool:
    """Whether a row of cells is a header: one of its columns holds the customer's words."""
    return any(find_field(header) in ("text", "title", "request") for header in headers)
