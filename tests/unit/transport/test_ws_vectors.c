// SPDX-License-Identifier: MIT
// What an echo over a ws_stream answers: the cases of Autobahn's suite, groups 1 to 7, by their
// numbers, and a few of 9 and 10, written anew. Each comes as a whole, frame by frame and octet by
// octet, with EAGAIN between, to a client that takes all or three bytes at a time.

#include "unit.h"
#include "ws_peer.h"
#include "ws_words.h"

#define MAX_FRAMES 32

static const struct vector {
    const char *name, *sent, *wanted;
} vectors[] = {
    {"1.1.1", "t x1000", "t x1000"},
    {"1.1.2", "t*125 x1000",
     "t'" /* short ones are shown as they are */
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' x1000"},
    {"1.1.3", "t*126 x1000", "t*126 x1000"},
    {"1.1.4", "t*127 x1000", "t*127 x1000"},
    {"1.1.5", "t*128 x1000", "t*128 x1000"},
    {"1.1.6", "t*65535 x1000", "t*65535 x1000"},
    {"1.1.7", "t*65536 x1000", "t*65536 x1000"},
    {"1.2.1", "b x1000", "b x1000"},
    {"1.2.2", "b#00fe00ff x1000", "b#00fe00ff x1000"},
    {"1.2.3", "b*126 x1000", "b*126 x1000"},
    {"1.2.4", "b*127 x1000", "b*127 x1000"},
    {"1.2.5", "b*128 x1000", "b*128 x1000"},
    {"1.2.6", "b*65535 x1000", "b*65535 x1000"},
    {"1.2.7", "b*65536 x1000", "b*65536 x1000"},

    {"2.1", "p x1000", "q x1000"},
    {"2.2", "p'Hello' x1000", "q'Hello' x1000"},
    {"2.3", "p#00fffefdfcfb00ff x1000", "q#00fffefdfcfb00ff x1000"},
    {"2.4", "p*125 x1000",
     "q'"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' x1000"},
    {"2.5", "p*126 x1000", "x1002"},
    {"2.7", "q x1000", "x1000"},
    {"2.8", "q'unasked' x1000", "x1000"},
    {"2.9", "q'unasked' p'1' x1000", "q'1' x1000"},

    {"3.1", "tr1'x' x1000", "x1002"},
    {"3.2", "t'good' tr2'x' p x1000", "t'good' x1002"},
    {"3.3", "t'good' tr3'x' p x1000", "t'good' x1002"},
    {"3.4", "t'good' tr4'x' p x1000", "t'good' x1002"},
    {"3.5", "br5#00 x1000", "x1002"},
    {"3.6", "pr6'x' x1000", "x1002"},
    {"3.7", "xr7", "x1002"},

    {"4.1.1", "o3 x1000", "x1002"},
    {"4.1.2", "o4'x' x1000", "x1002"},
    {"4.1.3", "t'good' o5 p x1000", "t'good' x1002"},
    {"4.1.4", "t'good' o6'x' p x1000", "t'good' x1002"},
    {"4.1.5", "t'good' o7'x' p x1000", "t'good' x1002"},
    {"4.2.1", "ob x1000", "x1002"},
    {"4.2.2", "oc'x' x1000", "x1002"},
    {"4.2.3", "t'good' od p x1000", "t'good' x1002"},
    {"4.2.4", "t'good' oe'x' p x1000", "t'good' x1002"},
    {"4.2.5", "t'good' of'x' p x1000", "t'good' x1002"},

    {"5.1", "p-'frag' c'ment'", "x1002"},
    {"5.2", "q-'frag' c'ment'", "x1002"},
    {"5.3", "t-'frag' c'ment' x1000", "t'fragment' x1000"},
    {"5.6", "t-'frag' p'ping' c'ment' x1000", "q'ping' t'fragment' x1000"},
    {"5.9", "c'from nowhere' t'Hello' x1000", "x1002"},
    {"5.12", "c-'from nowhere' t'Hello' x1000", "x1002"},
    {"5.15", "t-'frag' c'ment' c-'from nowhere' t'Hello'", "t'fragment' x1002"},
    {"5.18", "t-'frag' t'ment'", "x1002"},
    {"5.19", "t-'1' c-'2' p'a' c-'3' c-'4' p'b' c'5' x1000", "q'a' q'b' t'12345' x1000"},
    {"a Close between fragments", "t-'frag' x1000", "x1000"},
    {"a binary one within a text", "t-'frag' b'ment'", "x1002"},
    {"no mask", "tu'x' x1000", "x1002"},
    {"no mask, empty", "tu x1000", "x1002"},
    {"no mask on a ping", "t'good' pu'x' x1000", "t'good' x1002"},

    {"6.1.1", "t x1000", "t x1000"},
    {"6.1.2", "t- c- c x1000", "t x1000"},
    {"6.1.3", "t- c-'middle' c x1000", "t'middle' x1000"},
    {"6.2.1", "t#48c2b5407a x1000", "t#48c2b5407a x1000"},
    {"6.2.2", "t-#48c2b5 c#407a x1000", "t#48c2b5407a x1000"},
    {"6.2.3", "t-#48c2 c#b5407a x1000", "t#48c2b5407a x1000"},
    {"6.2.4", "t-#ce c-#ba c-#e1 c-#bd c-#b9 c-#cf c#83 x1000", "t#cebae1bdb9cf83 x1000"},
    {"6.3.1", "t#cebae1bdb9cf83cebceda080656469746564 x1000", "x1007"},
    {"6.3.2", "t-#cebae1 c-#bdb9 c-#eda0 c#80 x1000", "x1007"},
    {"6.4.1", "t-#cebae1bdb9cf83 c-#f4908080 p", "x1007"},
    {"6.4.2", "t-#cebae1bdb9cf83f4 c-#90 p", "x1007"},
    {"a character is cut by the end", "t#ce x1000", "x1007"},
    {"... of the last fragment", "t-#48 c#ce x1000", "x1007"},
    {"... and that is empty", "t-#ce c x1000", "x1007"},
    {"binary is not looked at", "b#ceff x1000", "b#ceff x1000"},

    {"7.1.1", "t'Hello' x1000", "t'Hello' x1000"},
    {"7.1.2", "x1000 x1000", "x1000"},
    {"7.1.3", "x1000 p", "x1000"},
    {"7.1.4", "x1000 t'after'", "x1000"},
    {"7.1.5", "t-'frag' x1000 c'ment'", "x1000"},
    {"7.1.6", "t*262144 t'Hello' x1000 p", "t*262144 t'Hello' x1000"},
    {"7.3.1", "x", "x"},
    {"7.3.2", "x#61", "x1002"},
    {"one byte of a code, behind a ping", "p#03e8 x#03", "q#03e8 x1002"},
    {"7.3.3", "x1000", "x1000"},
    {"7.3.4", "x1000'Hello World'", "x1000"},
    {"7.3.5", "x1000*123", "x1000"},
    {"7.3.6", "x1000*124", "x1002"},
    {"7.5.1", "x1000#cebae1bdb9cf83cebceda080656469746564", "x1007"},
    {"a reason that is cut", "x1000#ce", "x1007"},
    {"7.9.1", "x0", "x1002"},
    {"7.9.2", "x999", "x1002"},
    {"7.9.3", "x1004", "x1002"},
    {"7.9.4", "x1005", "x1002"},
    {"7.9.5", "x1006", "x1002"},
    {"7.9.6", "x1016", "x1002"},
    {"7.9.7", "x1100", "x1002"},
    {"7.9.8", "x2000", "x1002"},
    {"7.9.9", "x2999", "x1002"},
    {"TLS's code", "x1015", "x1002"},
    {"7.13.1", "x5000", "x1002"},
    {"7.13.2", "x65535", "x1002"},
    {"no Close", "t'Hello'", "t'Hello'"},
};

static const struct chop {
    const char *name;
    bool by_frame;
    size_t n, room, buffer;
} chops[] = {
    {"whole", false, 0, 0, WS_BUFFER_SIZE}, {"frames", true, 0, 0, 1024},
    {"octets", false, 1, 0, 100},           {"chops of 997", false, 997, 0, 1000},
    {"a small buffer", false, 0, 0, 1},     {"a slow client", false, 5, 3, 4096},
};

static void check_vector(const struct vector *vector, const struct chop *chop)
{
    const struct ws_options options = {.initial = WS_TEXT, .message_max = 1 << 24};
    struct ws_peer peer = {.chop = chop->n, .room = chop->room};
    size_t ends[MAX_FRAMES];
    struct ws_stream *stream = peer_stream(&peer, &options);
    char row[100], got[1024];

    assert_non_null(stream);
    snprintf(row, sizeof(row), "%s, %s", vector->name, chop->name);
    peer.n_ends = words_to_frames(vector->sent, &peer.sends, ends, MAX_FRAMES);
    peer.ends = ends;
    peer.n_ends = chop->by_frame ? peer.n_ends : 0;
    (void)peer_echo(&peer, stream, chop->buffer);
    frames_to_words(&peer.got, got, sizeof(got));
    check_text(row, got, vector->wanted);
    ws_stream_free(stream);
    peer_done(&peer);
}

static void check_all(const struct vector *vector)
{
    for (size_t i = 0; i < ELEMENTS(chops); i++)
        check_vector(vector, &chops[i]);
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(vectors); i++)
        check_all(&vectors[i]);
}

// 7.7: codes that may be sent come back.
static void test_codes(void **state)
{
    static const unsigned codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                     1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(codes); i++) {
        char word[16];

        snprintf(word, sizeof(word), "x%u", codes[i]);
        check_all(&(struct vector){word, word, word});
    }
}

// 6.5 to 6.23, of which test_utf8.c has more, and what came before the bad octet stays.
static void test_texts(void **state)
{
    static const struct {
        const char *hex;
        bool is_good;
    } rows[] = {
        {"cebae1bdb9cf83cebcceb5", true},
        {"cebae1bdb9cf83cebcce", false},
        {"cebae1bdb9cf83ce", false},
        {"cebae1bd", false},
        {"00", true},
        {"c280", true},
        {"e0a080", true},
        {"f0908080", true},
        {"f8888080", false},
        {"f888808080", false},
        {"fc8480808080", false},
        {"7f", true},
        {"dfbf", true},
        {"efbfbf", true},
        {"f48fbfbf", true},
        {"f7bfbfbf", false},
        {"fbbfbfbfbf", false},
        {"fdbfbfbfbfbf", false},
        {"ed9fbf", true},
        {"ee8080", true},
        {"efbfbd", true},
        {"f4908080", false},
        {"80", false},
        {"bf", false},
        {"80bf80bf", false},
        {"c020", false},
        {"c1bf", false},
        {"c0af", false},
        {"e080af", false},
        {"f08080af", false},
        {"f8808080af", false},
        {"e09fbf", false},
        {"f08fbfbf", false},
        {"fe", false},
        {"ff", false},
        {"fefeffff", false},
        {"eda080", false},
        {"edadbf", false},
        {"edae80", false},
        {"edafbf", false},
        {"edb080", false},
        {"edbe80", false},
        {"edbfbf", false},
        {"eda080edb080", false},
        {"edafbfedbfbf", false},
        {"efbfbe", true},
        {"f09fbfbe", true},
        {"f48fbfbe", true},
        {"f0", false},
        {"e1bd20", false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char sent[64], wanted[64];

        snprintf(sent, sizeof(sent), "t#%s x1000", rows[i].hex);
        snprintf(wanted, sizeof(wanted), rows[i].is_good ? "t#%s x1000" : "x1007", rows[i].hex);
        check_all(&(struct vector){sent, sent, strcmp(rows[i].hex, "7f") ? wanted : "t#7f x1000"});
    }
}

// 9: large messages, in fragments and chops of many sizes; 10.1.1: 65536 bytes by 1300.
static void test_large(void **state)
{
    static const struct {
        size_t length, fragment, chop;
    } rows[] = {
        {1 << 16, 1 << 16, 64},  {1 << 18, 1 << 18, 2048}, {1 << 20, 64, 1 << 20},
        {1 << 20, 4096, 512},    {4 << 20, 1 << 20, 997},  {16 << 20, 4 << 20, 0},
        {16 << 20, 16 << 20, 0}, {65536, 1300, 0},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct ws_options options = {.message_max = 16 << 20};
        struct ws_peer peer = {.chop = rows[i].chop};
        uint8_t *data = calloc(1, rows[i].fragment);
        struct ws_stream *stream = peer_stream(&peer, &options);
        char got[64], wanted[64];

        memset(data, 'a', rows[i].fragment);
        for (size_t at = 0; at < rows[i].length; at += rows[i].fragment) {
            size_t left = rows[i].length - at;
            size_t n = left < rows[i].fragment ? left : rows[i].fragment;

            frame_add(&peer.sends, (uint8_t)((at ? 0 : 2) | (n == left ? 0x80 : 0)), true, data, n);
        }
        (void)peer_echo(&peer, stream, WS_BUFFER_SIZE);
        frames_to_words(&peer.got, got, sizeof(got));
        snprintf(wanted, sizeof(wanted), "b*%zu", rows[i].length);
        check_text("large", got, wanted);
        ws_stream_free(stream);
        peer_done(&peer);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
