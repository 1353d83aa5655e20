#!/usr/bin/env python3
"""Makes film.otf: what films write with, cut out of Noto Sans CJK SC (SIL Open Font License 1.1).

    pip install fonttools
    ./make-font.py /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc film.otf

Kept: Latin with accents, the 6,763 Chinese characters of GB 2312 and its punctuation, and more
characters that names use (NAMES). A character that is not in it is drawn as U+3013 (〓).
"""

import subprocess
import sys

NAMES = (
    "伋佺倓倞偲傢劼叆喆垚堃堉奀奡妘姞姮娀婍婳嫄嫚嬛孖寔寯峣崀崟廙弢彧忞惇惔愔慜抃旸旻昇昉晞晢暎暐暕暻曈杦杺梣梽棻楉橦汭沄沚洢"
    "浡浥淏渼湉湑溁溦濛濬烜焌焜焮煐燊燚爔犇玓玕玘玙玚玠玥珣珮珺琇琤琲瑀瑄瑆瑢璆璘璟璠璪璮瓛甡皞皦祎祐祾禔禛竑縠纮翀翙翚翯脩芃"
    "莀莙菂蒨蓂衎褀訚譞贇赟鄷釗鉷錡鍾锜镕镠闿阇頔颙飏飐飖骃骉骎鹍鹓龑"
)


def characters() -> set[str]:
    kept = set(NAMES) | {"〓"}
    for row in range(0xA1, 0xF8):
        for cell in range(0xA1, 0xFF):
            try:
                kept.add(bytes([row, cell]).decode("gb2312"))
            except UnicodeDecodeError:
                pass
    # No kana, no bopomofo; of the symbols before U+3000 only a few.
    kept = {c for c in kept if ord(c) >= 0x3000 or c in "·—…×±÷°′″"}
    kept = {c for c in kept if not 0x3040 <= ord(c) <= 0x312F}
    for first, end in [(0x20, 0x7F), (0xA0, 0x180), (0x2010, 0x2027)]:
        kept |= {chr(code) for code in range(first, end)}
    return kept


def main() -> None:
    source, out = sys.argv[1:]
    subprocess.run(
        [
            *["pyftsubset", source, "--font-number=2", f"--output-file={out}"],
            "--text=" + "".join(sorted(characters())),
            *["--layout-features=", "--no-hinting", "--desubroutinize", "--notdef-outline"],
            *["--name-IDs=0,1,2,13,14"],
            "--drop-tables+=vhea,vmtx,VORG,BASE,GSUB,GPOS,GDEF",
        ],
        check=True,
    )


main()
