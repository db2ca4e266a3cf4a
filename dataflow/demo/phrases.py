"""The words and phrasings for the drawn world, in English and Chinese; this module is data alone.

The last phrasing of every operation and language is held out: training never uses it. Each of its words occurs in other
phrasings, so a measurement with it tests a new sentence and not an unknown word.
"""

LANGUAGES = ("en", "zh")

OPERATIONS = ("recolour", "replace", "remove", "add", "background", "move", "resize")
"""The edits of one change; the other keys of PHRASINGS are "two", "compose" and "draw"."""

WORDS: dict[str, dict[str, str]] = {
    "en": {},
    "zh": {
        "circle": "圆形",
        "square": "方形",
        "triangle": "三角形",
        "star": "星形",
        "cross": "十字形",
        "red": "红色",
        "green": "绿色",
        "blue": "蓝色",
        "yellow": "黄色",
        "orange": "橙色",
        "purple": "紫色",
        "cyan": "青色",
        "pink": "粉色",
        "white": "白色",
        "black": "黑色",
        "grey": "灰色",
        "brown": "棕色",
        "beige": "米色",
        "navy": "深蓝色",
        "small": "小号",
        "medium": "中号",
        "large": "大号",
        "top left": "左上角",
        "top": "上方",
        "top right": "右上角",
        "left": "左侧",
        "centre": "中央",
        "right": "右侧",
        "bottom left": "左下角",
        "bottom": "下方",
        "bottom right": "右下角",
    },
}
"""Language → English name → the name in that language; a name that is missing here is the same in that language."""

SHAPE = {"en": "{size} {colour} {kind}", "zh": "{size}{colour}{kind}"}
SUBJECT = {"en": "{colour} {kind}", "zh": "{colour}{kind}"}
PLACED = {"en": "a {shape} at the {place}", "zh": "{place}一个{shape}"}
LAST_JOINT = {"en": " and ", "zh": "和"}
JOINT = {"en": ", ", "zh": "，"}

PHRASINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "recolour": {
        "en": (
            "change the {subject} to {colour}",
            "make the {subject} {colour}",
            "turn the {subject} {colour}",
            "paint the {subject} {colour}",
            "change the colour of the {subject} to {colour}",
        ),
        "zh": (
            "把{subject}变成{colour}",
            "将{subject}改为{colour}",
            "把{subject}涂成{colour}",
            "让{subject}变成{colour}",
            "将{subject}涂成{colour}",
        ),
    },
    "replace": {
        "en": (
            "replace the {subject} with a {replacement}",
            "swap the {subject} for a {replacement}",
            "turn the {subject} into a {replacement}",
            "put a {replacement} in place of the {subject}",
            "change the {subject} into a {replacement}",
        ),
        "zh": (
            "把{subject}换成{replacement}",
            "将{subject}替换为{replacement}",
            "用{replacement}代替{subject}",
            "让{replacement}取代{subject}",
            "用{replacement}替换{subject}",
        ),
    },
    "remove": {
        "en": (
            "remove the {subject}",
            "delete the {subject}",
            "erase the {subject}",
            "take the {subject} away",
            "take away the {subject}",
        ),
        "zh": ("删除{subject}", "去掉{subject}", "把{subject}移除", "将{subject}擦掉", "把{subject}去掉"),
    },
    "add": {
        "en": (
            "add a {shape} at the {place}",
            "put a {shape} at the {place}",
            "place a {shape} at the {place}",
            "at the {place}, draw a {shape}",
            "at the {place}, add a {shape}",
        ),
        "zh": (
            "在{place}添加一个{shape}",
            "在{place}放一个{shape}",
            "在{place}加上一个{shape}",
            "添加一个{shape}到{place}",
            "放一个{shape}到{place}",
        ),
    },
    "background": {
        "en": (
            "change the background to {colour}",
            "make the background {colour}",
            "change the colour of the background to {colour}",
            "paint the background {colour}",
            "turn the background {colour}",
        ),
        "zh": (
            "把背景变成{colour}",
            "将背景改为{colour}",
            "背景换成{colour}",
            "把背景涂成{colour}",
            "让背景变成{colour}",
        ),
    },
    "move": {
        "en": (
            "move the {subject} to the {place}",
            "shift the {subject} to the {place}",
            "bring the {subject} to the {place}",
            "the {subject} goes to the {place}",
            "take the {subject} to the {place}",
        ),
        "zh": (
            "把{subject}移到{place}",
            "将{subject}移动到{place}",
            "让{subject}移到{place}",
            "把{subject}挪到{place}",
            "将{subject}挪到{place}",
        ),
    },
    "resize": {
        "en": (
            "make the {subject} {size}",
            "resize the {subject} to {size}",
            "set the size of the {subject} to {size}",
            "make the size of the {subject} {size}",
            "change the size of the {subject} to {size}",
        ),
        "zh": (
            "把{subject}变成{size}",
            "将{subject}改为{size}",
            "让{subject}变成{size}",
            "把{subject}的大小改为{size}",
            "将{subject}的大小变成{size}",
        ),
    },
    "two": {
        "en": (
            "{first} and {second}",
            "{first}, then {second}",
            "first {first}, then {second}",
            "{first}, and {second}",
            "first {first} and then {second}",
        ),
        "zh": (
            "{first}，并且{second}",
            "{first}，然后{second}",
            "先{first}，再{second}",
            "{first}，再{second}",
            "先{first}，然后{second}",
        ),
    },
    "compose": {
        "en": (
            "put the {subject} of the first image beside the {anchor} of the second",
            "put the {subject} from the first image to the right of the {anchor} in the second image",
            "take the {subject} of the first image and put it beside the {anchor} of the second image",
            "add the {subject} from the first image beside the {anchor} of the second image",
            "take the {subject} from the first image and add it to the right of the {anchor} in the second image",
        ),
        "zh": (
            "把第一张图的{subject}放到第二张图的{anchor}右侧",
            "将第一张图中的{subject}放在第二张图中的{anchor}右侧",
            "在第二张图的{anchor}右侧加上第一张图的{subject}",
            "把第一张图里的{subject}添加到第二张图里的{anchor}右侧",
            "将第一张图的{subject}添加到第二张图的{anchor}右侧",
        ),
    },
    "draw": {
        "en": (
            "{shapes} on a {background} background",
            "draw {shapes} on a {background} background",
            "a {background} background with {shapes}",
            "on a {background} background, {shapes}",
            "draw a {background} background with {shapes}",
        ),
        "zh": (
            "{background}背景上有{shapes}",
            "画{shapes}，背景为{background}",
            "{background}背景，{shapes}",
            "{shapes}，{background}背景",
            "画{background}背景，{shapes}",
        ),
    },
}
