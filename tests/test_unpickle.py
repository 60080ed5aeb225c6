"""Pickled tables: ours come back whole, hostile ones are refused and nothing in them runs."""

from __future__ import annotations

import base64
import functools
import io
import os
import pickle
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets.pickled_tables import ALLOWED, read_pickled_table
from mien.errors import DataError

FRAMES = {
    "object": pd.DataFrame({"text": pd.Series(["a", "ü❤️", None], dtype=object), "label": [2, 0, 1]}),
    "str": pd.DataFrame({"text": ["a", "", None], "label": ["x", "y", "x"]}),
    "category": pd.DataFrame({"c": pd.Categorical(["b", "a", None]), "o": pd.Categorical([2, 1, 2], ordered=True)}),
    "numbers": pd.DataFrame({"i": np.array([1, 2], "int8"), "f": [0.5, np.nan], "b": [True, False], "u": [3, 4]}),
    "masked": pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "b": pd.array([None, True], dtype="boolean")}),
    "dates": pd.DataFrame({"t": ["a", "b"], "d": pd.to_datetime(["2020-02-29", "2021-01-01"])}),
    "filtered": pd.DataFrame({"t": list("abcd"), "n": [1, 2, 3, 4]})[lambda frame: frame["n"] % 2 == 0],
    "no rows": pd.DataFrame({"t": pd.Series([], dtype=object), "n": np.array([], "int64")}),
    "number names": pd.DataFrame([["a", 1], ["b", 2]]),
}


def load(content: bytes, **options: Any) -> pd.DataFrame:
    return read_pickled_table(io.BytesIO(content), **options)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", FRAMES)
def test_round_trip(name: str, protocol: int) -> None:
    back = load(pickle.dumps(FRAMES[name], protocol=protocol))
    pd.testing.assert_frame_equal(back, FRAMES[name].reset_index(drop=True), check_column_type=False)


@pytest.mark.parametrize("protocol", range(6))
def test_lists_and_scalars_in_object_cells(protocol: int) -> None:
    cells = [["a", "b"], ["c", "d"], np.int64(3), np.array([1, 2]), np.str_("q"), pd.NA]
    back = load(pickle.dumps(pd.DataFrame({"c": pd.Series(cells, dtype=object)}), protocol=protocol))
    assert back["c"].tolist() == [["a", "b"], ["c", "d"], 3, [1, 2], "q", None]


def test_lists_of_one_length_stay_lists() -> None:
    back = load(pickle.dumps(pd.DataFrame({"c": [["a"], ["b"]]})))
    assert back["c"].tolist() == [["a"], ["b"]]


# DataFrame({"text": ["a", "b"], "label": ["joy", "fear"], "n": [1, 2]}) as other versions of pandas wrote it
OLD = {
    "0.25.3": (
        "c-nPS-)q!B5YEqQtrjg<v@Zo8)Vr5p!G{Wh;EABY2z@VMliRzECYxh-V|!phAFf)Mw~l|W&Te{e)w&Pa$;^K9%{M#yE&BB$^xT4-"
        "Ig=Bnld@GjnJU(Bgj;WzVQ-y%iKFj$hC_(+2{{q=*Uwkda3xu-lZHt)<4Pmkd0n^V=MVjVj~^aWf``|E6Mo8dQZP+?Te;*X`8(?)"
        "fVd6u%C^i=PrNI;X1?g*O;?+WDa97Vmn&YjQXAEkh9D5Tg9sZ$=Z;)r>Me2X7x)8@aG3gOxJ0oF@x(0VRw4u+5Aot>9}U6(idmMu"
        "|4qw%(pLtH3#%bA{L~Ob%?e&4_!2pVAd<FKS$9qe#5U~Rq*O6Evr>=jz9vtMGKjTd%21UMY17Uz4XnY*@Lf($+~U4?U}cECl?Xo#"
        "&Qa_`P+cqj<zK~nw)pWqzrSxUxZ082|K<!_&PPtHPfe$uLHMbqZbnnil#}bK*%o(g@jEw^wd@m!r_54}R&Dt&Ah-ey#bfb=uVMHZ"
        "!r)nQ@H{!_2Z2!|QEb7Wup_3CFxEf#!s^aO4q>yIshol|hnq!L(UeFsV_jFJy=c-GroJWaY%yGn#Z*+ONB-W+JMAtsr^%pqU?*?&"
        "Ch~?G=0@=tyCV4m=SV%y"
    ),
    "1.1.5": (
        "c-nPS&ui2`6wc4JR*M!a+DpNMx_b#0JoF$4T@f@Gq4yFd+1Z_FGFfIO+65Q%u+_r5_4)Ven@Jb8T60KV-pu#j_r3Y%TlDKV^xOlx"
        "b0#NDCuOU6GF7bM2)AD|!``^~5=Y;0i9?9;W~LAhHn&&Oa3xu-lZHt)<4PmkJ+9mG)BFCvhYwE)|L8h!!q2!)3Z|*ub}sps{H@Iq"
        "K-__N9lOR8B7?9eyJo)V;Z0YYiYdhw)Gt@OY^64;D-A&)b{i3HQ9HNg5>s!5W52*3c!I;!Ps0_8J%}e}F}DgK_;7?5Kl{}X{I8g0"
        "*}LELxL5khU~yqJM24Rk>QJ+S*9g8uPD>C;JE^QYrvhRJ_HR<En4DRuC-%D`PmD5%wPDH-ONg{-=a>dI;1u|-Ca2!wfp}<Ti2bz)"
        "KMl@N96(TABmeR*@}4C>zVG+P?FCm~r1ZZv16T906YJB^X=V_9Y-yU&lr!bzIyO7vo+ZC~1FcnGKs;l%#b`a2{{n(5z)(C9Px%Ih"
        "FA)aMlfxIuVQ&ORgG8|ngTh)&BVlZQ@R`+}T{(g+@@P(r<io9^tH>pi!dTZ;X%Cw8g{f~Fca{tnV=)y~>QTPW@=m)0&B+;b4XpFl"
        "S0Zn?Va|%DRFN4&W?y1gB!2*IpF!p"
    ),
    "1.3.5": (
        "c-n1}-)q!B5XbZD)Ke)cXf2BP*b3fr1wpVP+F*n}`BK6p*}FtHo3Oi~J+Pn;JzLnfj(@Mt?De$OCS)_4%zpPXJKt}~&*yRAFL$>G"
        "Re_n5ofea+hE|{(zX1zxeSC&n-|+}HU6Qvmjqb_C^hQ~s6-YB_LBULDgYNcg*_B^DEa$Y`ji-YuZP!WqdA$d18<70{@zqKNFQ?S8"
        "5(l}TQ1UVE;by(Ib%ZWaRnuY`napD0?yI5g=Sz)tkfg0O%!wk`qU@BhdMGXLHu8x?KzsU>GfabH+zAW(!QyF1ceKEI-Hj?c@40dp"
        "HQRW4viu*r@Fiwhw)=}NKcoQ>obKESmnRuS=Wk@N8^zENj-pCNMm8nurBNEEA<Hf3sc+S5f9tC6otIQUs5h9bezf9>Jl9hfeY`~T"
        "^&gs7OtVj&3IQFJ<>JpB6`V{3XcVmcEDcEP55NLB`{Cs_RN_!j6TpxSZsy#B_xz3M>vwLnioGE!G70{V8`I>42T80rv{b)@LP%m#"
        "9)mi_#>xhN2)l0MDgX^?#squ(zOZZkDWmhW<RWUHON{M$I#vz@1)<jzJdj_hi)16FT-iErg$0kjPgr0r8I~+{EuTu5`EVVi><&y`"
        "4LvmttjImQ!4oqSli$z{LM8"
    ),
    "1.5.3": (
        "c-n1}O>fjN5QaC|Eagj-3IRn(98tOC%%Lh0MMw}>q~0rQl6W_vjuY9A+LfqO4lJ!Sw+{c3{{UmBE4Dxm&e$H$JTvc{B|m<~qwwKY"
        "2f75C7Oj!#%s?XvZ@mErZ-aeFFTT<#?O-CBxgmVE?p|vrjRs}Y1~km2v4nSDtF}1$IPCd3KDv4#RGr&DPY5?fue-W9Qc~ppjdy;i"
        "`=(nA(VJem8jOJjM-@gEt+vkeh4YS+;7GW^v4hJcWutGjALaC&4rnKfvN(&ERBhs<bc@bcg7K%9ba6i1k1_f})9Lj6FaE-ky>gUa"
        "9CED@5ON?Ke{MNNGLv9P@+IEP`<kIN(@(6b3mMXKrpO1)V!u{*s(aOzhp8T{P@;gcjd6VqVD~S8kq6kn9}Uust|S@}A6L&g%XmG{"
        "l0546bv;UXB5j(3WfgA=Esw=Jf5w>AE>2c<(6eNX>0i__Z=QxOBu<_<E>uA-6*oi=JxH{li)p{~weI1Q{{a}#b5C&K|7%&R4^wWO"
        "1LL@Dm{`|#T#Yv*8&QZU{leqMqVXhp%GFegMmh-Chl~Zz@w}Z9-Vied^I$#(rP^aF%D!WDz)2C{EuGswPk#fo`zV6"
    ),
    "2.2.3": (
        "c-n1}O>fjN5QdX%mTyriBq&1Sh{`2r4i!igAweKWy;s&G@oqvLC$b&2D^Up!EUh%R4nLFM0Ap`gY=In{u|1x7X5RUd{`i?h;lu3#"
        "bPYDEdLy%$fld<Md<_oX1p9)XeWg>{#Z+{2L-=IVz12<{4a#O6XqZc53Gcj8eRcF<wdd#f;PQn~ZE62JA>0z99@^?iNm2SY!C8;p"
        "u*gIR-;K((U<@octT3|bwRL8!ocEjtPr~aQJh)s?9(|+zxTNoNK)ZRICwa1@W(%jaTMWJwOg=uR^Rw0c1mn+C6vew={Dmcd>8LzE"
        "<YHqW<Ulz2)N_h-Cc%*8OT1BzEkkL>pIX&cGNk29u@9Ojer;|ycbjbw)7)R9!~taollBV0-d_Nb2iU(Cue6CSHHwIjo2Q&*vYBT|"
        "9(CucAhkS^HY>rhjJJfA$KtI&W6Wj`r)xV1TC>RXFY1Ihk3$zyCr=y~s-TpL8=_Y|NVOk~VqE%KU*Mzv0T|G8PjKM>8(Ew81vk!t"
        "aojdct?LJ_#v782IK-5G;dx`xcoaS5dMrgJ9R%z{#scSf;7$pziJ5|VFdu?a{jnAGIIue4qzLeq&g@ubzX8|2DC7"
    ),
    "3.1.1": (
        "c-oaz&u`N(6i(B2rQH|<p|JzMj^z>!2?-8dMkf$N<S=eXljWpt9p*Zb<7mra0uK8nS>mwAiGP$EJUi*OiV1<G#E$*m^Y?x4y?p6>"
        "|IzW>FiSa=V_JaeZ&OWQD>`Fv4o|+qAq-82%%%#=!`dcDGR1;aYNjL=MKGh1PMJdAl~*E5_TJau=x){<4<gdIxO4$?i<B}?lRd#m"
        "Y<;Zp&BmB2MJu#f+fpjq|DaVWr(1UK5>TJylsG#u%XvkuVSsmlStW`U8UZ%P=P=}V%&M+(MkbjeRHVofZ(9*mO&KX%csPO`2>s9t"
        "y<Hea=+VzB5|@)n&ErN~rb4IE>JwL*&0~)?yk@kT*>7eS(LVe>e>C!Ge6hiHA<}MTmdMxw1MZpSn&-Cr#v6MLD|qwyXC3jl_DE>L"
        "8H!NG{DJ8fB2BD4B5#GQ6UV~7`7&Rvwc@w=-63E9J70_Of=auYd)HFweafl{3UCb{9`H^6bOA7b=8!%|bp9efvo6b7UIoNe)2u{!"
        "n}n`l3X@DC(lXIji>|XoO|U!~;Y05TMy(iZtf8eI`p3XOn(lZmpr5{gv(x&#ZCWoOilTSFaJX0KX^788Yk#B-w-K!$wy&Z+0aVFs"
        "ESCS69k3#ZX~Dn@h-CZZt=+@BF`eD{+O^LZTMGUmA?<~PJf0_{=~1uW%!6waGtlfn3mP*a|0g%5BW<rorQ0eH`(TI4DZ4^|e~Ylv"
        "G*udPHyv!R9EGt9hKrW-WUf3r1m(vbv4kh?AA+qqW12bzb}^MyYy49j+De`XI(5r?RETW9AmcK}a;BOQN27q#qKt#z;ry)("
    ),
}


@pytest.mark.parametrize("version", OLD)
def test_pickles_of_other_versions(version: str) -> None:
    back = load(zlib.decompress(base64.b85decode(OLD[version])))
    assert back.to_dict("list") == {"text": ["a", "b"], "label": ["joy", "fear"], "n": [1, 2]}


class Call:
    """Pickles as a call of *function* with *args*."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def _protocol4(module: str, name: str, *args: str) -> bytes:
    """A call by STACK_GLOBAL, whose name may hold dots."""
    text = b"".join(b"\x8c" + bytes([len(s)]) + s.encode() for s in (module, name)) + b"\x93"
    return b"\x80\x04" + text + b"(" + b"".join(b"X" + struct.pack("<I", len(a)) + a.encode() for a in args) + b"tR."


HOSTILE: dict[str, Callable[[str], bytes]] = {
    "os.system": lambda mark: pickle.dumps(Call(os.system, f"touch {mark}")),
    "builtins.eval": lambda mark: pickle.dumps(Call(eval, f"open({mark!r}, 'w')")),
    "builtins.getattr": lambda mark: pickle.dumps(Call(getattr, "x", "upper")),
    "subprocess": lambda mark: pickle.dumps(Call(subprocess.check_output, ["touch", mark])),
    "builtins.open": lambda mark: pickle.dumps(Call(open, mark, "w")),
    "numpy.save": lambda mark: pickle.dumps(Call(np.save, mark, 1)),
    "read_pickle": lambda mark: pickle.dumps(Call(pd.read_pickle, mark)),
    "pandas.eval": lambda mark: _protocol4("pandas", "eval", f"open({mark!r}, 'w')"),
    "partial of os.system": lambda mark: pickle.dumps(functools.partial(os.system, f"touch {mark}")),
    "in a cell": lambda mark: pickle.dumps(pd.DataFrame({"text": ["a", Call(os.system, f"touch {mark}")]})),
    "in attrs": lambda mark: _with_attrs(Call(os.system, f"touch {mark}")),
    "dots in the name": lambda mark: _protocol4("pandas", "io.common.os.system", f"touch {mark}"),
    "dots behind a good name": lambda mark: _protocol4("pandas", "DataFrame.to_csv", mark),
    "protocol 0": lambda mark: f"cposix\nsystem\n(S'touch {mark}'\ntR.".encode(),
    "INST": lambda mark: f"(S'touch {mark}'\niposix\nsystem\n.".encode(),
}


def _with_attrs(value: object) -> bytes:
    frame = pd.DataFrame({"text": ["a"]})
    frame.attrs["x"] = value
    return pickle.dumps(frame)


def test_the_hostile_pickles_are_hostile(tmp_path: Path) -> None:
    """Were they loaded as pickles are, the mark would be there: else the next test could not fail."""
    mark = tmp_path / "mark"
    for name in ("os.system", "builtins.eval", "subprocess", "in a cell", "dots in the name", "protocol 0", "INST"):
        made = pickle.loads(HOSTILE[name](str(mark)))
        if hasattr(made, "close"):
            made.close()
        assert mark.exists(), name
        mark.unlink()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_and_do_nothing(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(DataError, match="which no table needs; refused") as caught:
        load(HOSTILE[name](str(mark)))
    assert list(tmp_path.iterdir()) == []
    assert len(str(caught.value)) < 200


def test_the_message_names_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(HOSTILE["os.system"]("x"))
    with pytest.raises(DataError, match=rf"bad\.pkl asks for {os.name}\.system, which no table needs; refused"):
        read_pickled_table(path)


def test_nothing_allowed_is_ever_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither classes nor functions of pandas that a pickle names are called, with whatever it calls them with."""
    called: list[str] = []
    monkeypatch.setattr(pd.DataFrame, "__init__", lambda *args, **options: called.append("frame"))
    monkeypatch.setattr(pd.DataFrame, "__setstate__", lambda *args: called.append("state"))
    with pytest.raises(DataError, match="holds no pandas DataFrame"):
        load(b"cpandas\nDataFrame\n(S'x'\ntR(dS'_mgr'\nNsb0N.")
    assert called == []
    assert not any("." in name for _, name in ALLOWED)


MANAGER = b"cpandas.core.internals.managers\nBlockManager\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"N.",
        pickle.dumps({"text": ["a"]}),
        pickle.dumps(FRAMES["str"])[:-40],
        b"\x80\x04\x96" + struct.pack("<Q", 2**40) + b"x.",  # BYTEARRAY8 of a terabyte
        b"Nr\xff\xff\xff\xff.",  # LONG_BINPUT into the last place of a memo
        b"cpandas\nDataFrame\n)\x81}b.",
        b"cpandas\nDataFrame\n}b.",  # state for a class, not for an object
        b"cpandas\nDataFrame\n)\x81(dS'_mgr'\n" + MANAGER + b")\x81sb.",
        b"(" * 100 + b"t" * 100 + b".",
        b"P1\n.",
    ],
)
def test_what_is_no_table_is_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(DataError, match="not a readable pickled table") as caught:
        load(content)
    assert "\n" not in str(caught.value)


def test_more_bytes_than_the_limit() -> None:
    content = pickle.dumps(FRAMES["str"])
    with pytest.raises(DataError, match=rf"more than {len(content) - 1} bytes"):
        load(content, limit=len(content) - 1)
    assert len(load(content, limit=len(content))) == 3


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FRAMES)), st.integers(0, 5), st.floats(0, 0.999), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_give_a_table_or_a_data_error(name: str, protocol: int, place: float, junk: bytes) -> None:
    content = pickle.dumps(FRAMES[name], protocol=protocol)
    at = int(place * len(content))
    try:
        back, message = load(content[:at] + junk + content[at + len(junk) :]), ""
    except DataError as error:
        back, message = pd.DataFrame(), str(error)
    assert isinstance(back, pd.DataFrame)
    assert "\n" not in message


def test_a_small_file_cannot_unfold_to_many_cells() -> None:
    """Column names from a range of a billion: 300 bytes that would become gigabytes."""
    frame = pd.DataFrame([["a"]])
    frame.columns = pd.RangeIndex(1)
    content = pickle.dumps(frame, protocol=2)
    assert content.count(b"stop") == 1  # of the columns; the index only refers to the word
    honest = b"stopq"
    place = content.index(honest) + len(honest) + 1
    assert content[place : place + 2] == b"K\x01"
    with pytest.raises(DataError, match="unfolds to far more cells"):
        load(content[:place] + b"J" + struct.pack("<i", 10**9) + content[place + 2 :])


def test_arrow_text_that_points_outside_is_refused() -> None:
    content = pickle.dumps(pd.DataFrame({"text": ["abc", "de"]}), protocol=2)
    good = "".join(map(chr, struct.pack("<qqq", 0, 3, 5))).encode()
    assert content.count(good) == 1
    for ends in ((0, 3, 99), (0, 9, 5), (-1, 3, 5)):
        bad = "".join(map(chr, struct.pack("<qqq", *ends))).encode()
        length = content.index(good) - 4
        with pytest.raises(DataError, match="does not lie where it says"):
            load(content[:length] + struct.pack("<I", len(bad)) + bad + content[length + 4 + len(good) :])
