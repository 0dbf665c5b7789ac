# SPDX-License-Identifier: MIT
"""What an echo answers: the cases of Autobahn's suite, groups 1 to 7, by their numbers, and some of
9 and 10, written anew. Rows of (id, what is sent, what comes), in the words of ws_peer.py."""

VECTORS = [
    ("1.1.1", "t x1000", "t x1000"),
    ("1.1.2", "t*125 x1000", "t*125 x1000"),
    ("1.1.3", "t*126 x1000", "t*126 x1000"),
    ("1.1.4", "t*127 x1000", "t*127 x1000"),
    ("1.1.5", "t*128 x1000", "t*128 x1000"),
    ("1.1.6", "t*65535 x1000", "t*65535 x1000"),
    ("1.1.7", "t*65536 x1000", "t*65536 x1000"),
    ("1.2.1", "b x1000", "b x1000"),
    ("1.2.2", "b#00fe00ff x1000", "b#00fe00ff x1000"),
    ("1.2.3", "b*126 x1000", "b*126 x1000"),
    ("1.2.4", "b*127 x1000", "b*127 x1000"),
    ("1.2.5", "b*128 x1000", "b*128 x1000"),
    ("1.2.6", "b*65535 x1000", "b*65535 x1000"),
    ("1.2.7", "b*65536 x1000", "b*65536 x1000"),

    ("2.1", "p x1000", "q x1000"),
    ("2.2", "p'Hello' x1000", "q'Hello' x1000"),
    ("2.3", "p#00fffefdfcfb00ff x1000", "q#00fffefdfcfb00ff x1000"),
    ("2.4", "p*125 x1000", "q*125 x1000"),
    ("2.5", "p*126 x1000", "x1002"),
    ("2.7", "q x1000", "x1000"),
    ("2.8", "q'unasked' x1000", "x1000"),
    ("2.9", "q'unasked' p'1' x1000", "q'1' x1000"),
    ("2.10", "p'0' p'1' p'2' p'3' p'4' p'5' p'6' p'7' p'8' p'9' x1000",
     "q'0' q'1' q'2' q'3' q'4' q'5' q'6' q'7' q'8' q'9' x1000"),

    ("3.1", "tr1'x' x1000", "x1002"),
    ("3.2", "t'good' tr2'x' p x1000", "t'good' x1002"),
    ("3.3", "t'good' tr3'x' p x1000", "t'good' x1002"),
    ("3.4", "t'good' tr4'x' p x1000", "t'good' x1002"),
    ("3.5", "br5#00 x1000", "x1002"),
    ("3.6", "pr6'x' x1000", "x1002"),
    ("3.7", "xr7", "x1002"),

    ("4.1.1", "o3 x1000", "x1002"),
    ("4.1.2", "o4'x' x1000", "x1002"),
    ("4.1.3", "t'good' o5 p x1000", "t'good' x1002"),
    ("4.1.4", "t'good' o6'x' p x1000", "t'good' x1002"),
    ("4.1.5", "t'good' o7'x' p x1000", "t'good' x1002"),
    ("4.2.1", "ob x1000", "x1002"),
    ("4.2.2", "oc'x' x1000", "x1002"),
    ("4.2.3", "t'good' od p x1000", "t'good' x1002"),
    ("4.2.4", "t'good' oe'x' p x1000", "t'good' x1002"),
    ("4.2.5", "t'good' of'x' p x1000", "t'good' x1002"),

    ("5.1", "p-'frag' c'ment'", "x1002"),
    ("5.2", "q-'frag' c'ment'", "x1002"),
    ("5.3", "t-'frag' c'ment' x1000", "t'fragment' x1000"),
    ("5.6", "t-'frag' p'ping' c'ment' x1000", "q'ping' t'fragment' x1000"),
    ("5.9", "c'from nowhere' t'Hello' x1000", "x1002"),
    ("5.12", "c-'from nowhere' t'Hello' x1000", "x1002"),
    ("5.15", "t-'frag' c'ment' c-'from nowhere' t'Hello'", "t'fragment' x1002"),
    ("5.18", "t-'frag' t'ment'", "x1002"),
    ("5.19", "t-'1' c-'2' p'a' c-'3' c-'4' p'b' c'5' x1000", "q'a' q'b' t'12345' x1000"),
    ("a Close between fragments", "t-'frag' x1000", "x1000"),
    ("a binary one within a text", "t-'frag' b'ment'", "x1002"),
    ("no mask", "tu'x' x1000", "x1002"),
    ("no mask, empty", "tu x1000", "x1002"),
    ("no mask on a ping", "t'good' pu'x' x1000", "t'good' x1002"),

    ("6.1.1", "t x1000", "t x1000"),
    ("6.1.2", "t- c- c x1000", "t x1000"),
    ("6.1.3", "t- c-'middle' c x1000", "t'middle' x1000"),
    ("6.2.1", "t#48c2b5407a x1000", "t#48c2b5407a x1000"),
    ("6.2.2", "t-#48c2b5 c#407a x1000", "t#48c2b5407a x1000"),
    ("6.2.3", "t-#48c2 c#b5407a x1000", "t#48c2b5407a x1000"),
    ("6.2.4", "t-#ce c-#ba c-#e1 c-#bd c-#b9 c-#cf c#83 x1000", "t#cebae1bdb9cf83 x1000"),
    ("6.3.1", "t#cebae1bdb9cf83cebceda080656469746564 x1000", "x1007"),
    ("6.3.2", "t-#cebae1 c-#bdb9 c-#eda0 c#80 x1000", "x1007"),
    ("6.4.1", "t-#cebae1bdb9cf83 c-#f4908080 p", "x1007"),
    ("6.4.2", "t-#cebae1bdb9cf83f4 c-#90 p", "x1007"),
    ("a character is cut by the end", "t#ce x1000", "x1007"),
    ("... of the last fragment", "t-#48 c#ce x1000", "x1007"),
    ("... and that is empty", "t-#ce c x1000", "x1007"),
    ("binary is not looked at", "b#ceff x1000", "b#ceff x1000"),

    ("7.1.1", "t'Hello' x1000", "t'Hello' x1000"),
    ("7.1.2", "x1000 x1000", "x1000"),
    ("7.1.3", "x1000 p", "x1000"),
    ("7.1.4", "x1000 t'after'", "x1000"),
    ("7.1.5", "t-'frag' x1000 c'ment'", "x1000"),
    ("7.1.6", "t*262144 t'Hello' x1000 p", "t*262144 t'Hello' x1000"),
    ("7.3.1", "x", "x"),
    ("7.3.2", "x#61", "x1002"),
    ("one byte of a code, behind a ping", "p#03e8 x#03", "q#03e8 x1002"),
    ("7.3.3", "x1000", "x1000"),
    ("7.3.4", "x1000'Hello World'", "x1000"),
    ("7.3.5", "x1000*123", "x1000"),
    ("7.3.6", "x1000*124", "x1002"),
    ("7.5.1", "x1000#cebae1bdb9cf83cebceda080656469746564", "x1007"),
    ("a reason that is cut", "x1000#ce", "x1007"),
    ("7.9.1", "x0", "x1002"),
    ("7.9.2", "x999", "x1002"),
    ("7.9.3", "x1004", "x1002"),
    ("7.9.4", "x1005", "x1002"),
    ("7.9.5", "x1006", "x1002"),
    ("7.9.6", "x1016", "x1002"),
    ("7.9.7", "x1100", "x1002"),
    ("7.9.8", "x2000", "x1002"),
    ("7.9.9", "x2999", "x1002"),
    ("TLS's code", "x1015", "x1002"),
    ("7.13.1", "x5000", "x1002"),
    ("7.13.2", "x65535", "x1002"),
    ("no Close", "t'Hello'", "t'Hello' x1000"),
]

# 7.7: codes that may be sent come back.
CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
         4999]

# 6.5 to 6.23: texts, of which tests/unit/transport/test_utf8.c has more.
GOOD_TEXTS = """
    cebae1bdb9cf83cebcceb5 00 c280 e0a080 f0908080 7f dfbf efbfbf f48fbfbf ed9fbf ee8080 efbfbd
    efbfbe f09fbfbe f48fbfbe
""".split()
BAD_TEXTS = """
    cebae1bdb9cf83cebcce cebae1bdb9cf83ce cebae1bd f8888080 f888808080 fc8480808080 f7bfbfbf
    fbbfbfbfbf fdbfbfbfbfbf f4908080 80 bf 80bf80bf c020 c1bf c0af e080af f08080af f8808080af
    e09fbf f08fbfbf fe ff fefeffff eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf eda080edb080
    edafbfedbfbf f0 e1bd20
""".split()

# 9 and 10.1.1: the length of a message, of its fragments, of the pieces in which they are sent.
LARGE = [
    ("9.1", 1 << 16, 1 << 16, 64), ("9.2", 1 << 18, 1 << 18, 2048), ("9.3", 1 << 20, 64, 1 << 20),
    ("9.4", 1 << 20, 4096, 512), ("9.5", 4 << 20, 1 << 20, 997),
    ("9.6", 16 << 20, 4 << 20, 1 << 20),
    ("9.7", 16 << 20, 16 << 20, 1 << 20), ("10.1.1", 65536, 1300, 1 << 20),
]
