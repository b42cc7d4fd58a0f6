// The series of smooth.hpp, in double and in float: Chebyshev interpolation, relative errors 1e-16 and 2e-8. (Computed
// with 30 digits; the points are the zeros of a Chebyshev polynomial over the range of the series.)
#pragma once

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// How many there are of a kind, the narrowest first.
template <class Real>
constexpr int kArccosineRanges = 5;
template <class Real>
constexpr int kExponentialRanges = 2;
template <class Real>
constexpr int kHyperbolicRanges = sizeof(Real) == 8 ? 3 : 4;

// arccos(c)/√(1−c²) in c − mid, for 1 − c² up to `most`. In float mid is such that the first coefficient is a float.
template <class Real, int kRange>
struct ArccosineSeries;
template <>
struct ArccosineSeries<double, 0> {
    static constexpr double most = 0.12, mid = 0.96875;  // z² up to
    static constexpr double c[] = {1.0105486434309811226,    -0.34183723359470997147,  0.13884288647226427974,
                                   -0.060433531749628292411, 0.027281358629759403452,  -0.012596075235954088063,
                                   0.0059079375035460851684, -0.0027975267039603682967};
};
template <>
struct ArccosineSeries<double, 1> {
    static constexpr double most = 0.3, mid = 0.921875;  // z² up to
    static constexpr double c[] = {1.026883697547881468,      -0.35526367164097553098,  0.14771443317647917269,
                                   -0.065838211223356688106,  0.030438762600005458286,  -0.014394260213002001271,
                                   0.0069121310418892768816,  -0.003356074985624994086, 0.0016499364683147240438,
                                   -0.00082781282866352596014};
};
template <>
struct ArccosineSeries<double, 2> {
    static constexpr double most = 0.5, mid = 0.8515625;  // z² up to
    static constexpr double c[] = {1.0526171079923457095,    -0.37705665318471974122,   0.16255778610339706742,
                                   -0.075161836774325571611, 0.036055667086824213192,   -0.017693454538799390672,
                                   0.008817472501204325997,  -0.0044433831048455049465, 0.0022578643786791538239,
                                   -0.00115524117276291271,  0.00060437015099921772662, -0.00030839472983058702005};
};
template <>
struct ArccosineSeries<double, 3> {
    static constexpr double most = 0.69, mid = 0.78125;  // z² up to
    static constexpr double c[] = {1.0799596049486302733,     -0.40108349884986420871,   0.17954666444575537983,
                                   -0.086242562958544026534,  0.042988095624171932456,   -0.021922430796494318143,
                                   0.011354075771718659036,   -0.0059466589262334861964, 0.0031410394201543604348,
                                   -0.0016701411861151129084, 0.0008918317446086043142,  -0.00047833061918457772337,
                                   0.00027167902776834860182, -0.00015015021283845383204};
};
template <>
struct ArccosineSeries<double, 4> {
    static constexpr double most = 0.905, mid = 0.65625;  // z² up to
    static constexpr double c[] = {1.1330801119511387023,      -0.45037764111292359654,    0.21639168966921849232,
                                   -0.11166228228192776643,    0.059818136711722065016,    -0.03279197849660771301,
                                   0.018259163689600171155,    -0.010282251276093929609,   0.0058397543525096312584,
                                   -0.0033387939508369947083,  0.0019191639116538364991,   -0.0011086486166391976749,
                                   0.00064259296647363275071,  -0.00036786866382595240319, 0.00021351338616402601177,
                                   -0.00015178986995568430774, 0.000090848752429474337966};
};
template <>
struct ArccosineSeries<float, 0> {
    static constexpr float most = 0.12F, mid = 0.9690448642F;
    static constexpr float c[] = {1.010447857F, -0.3417553682F, 0.1388155758F, -0.06041378883F};
};
template <>
struct ArccosineSeries<float, 1> {
    static constexpr float most = 0.3F, mid = 0.9183380604F;
    static constexpr float c[] = {1.028142095F, -0.3563108594F, 0.1484152212F, -0.06639209109F, 0.03075363034F};
};
template <>
struct ArccosineSeries<float, 2> {
    static constexpr float most = 0.5F, mid = 0.8535560966F;
    static constexpr float c[] = {1.051866057F,    -0.3764094003F, 0.162106834F,
                                  -0.07487386413F, 0.03616324147F, -0.01773117994F};
};
template <>
struct ArccosineSeries<float, 3> {
    static constexpr float most = 0.69F, mid = 0.7783964276F;
    static constexpr float c[] = {1.08110559F,   -0.4021103883F,  0.1802871106F, -0.08672203849F,
                                  0.0432953758F, -0.02264423739F, 0.0117524744F};
};
template <>
struct ArccosineSeries<float, 4> {
    static constexpr float most = 0.905F, mid = 0.654132247F;
    static constexpr float c[] = {1.134034862F,   -0.4512956681F,  0.217105457F,   -0.1121720536F,
                                  0.06005305039F, -0.03295971207F, 0.01990538627F, -0.01123805115F};
};

// e^x for |x| ≤ `most`.
template <class Real, int kRange>
struct ExponentialSeries;
template <>
struct ExponentialSeries<double, 0> {
    static constexpr double most = 0.52, growth = 1.6820276496988863763;  // e^most
    static constexpr double c[] = {1.0,
                                   0.99999999999999979994,
                                   0.49999999999999998572,
                                   0.166666666666687382,
                                   0.041666666666668145568,
                                   0.0083333333327205241739,
                                   0.0013888888888451388097,
                                   0.00019841270618122475938,
                                   0.000024801587856217951372,
                                   2.7556840584607352312e-6,
                                   2.7556977484499626028e-7,
                                   2.5193599274444612404e-8,
                                   2.0977789367467071077e-9};
};
template <>
struct ExponentialSeries<double, 1> {
    static constexpr double most = 1.05, growth = 2.8576511180631641;
    static constexpr double c[] = {
        0.99999999999999999677,     0.99999999999999999981,    0.500000000000000375,      0.16666666666666668869,
        0.041666666666659524763,    0.0083333333333329138499,  0.0013888888889406978197,  0.00019841269841574152594,
        0.000024801587117060893739, 2.7557319115594891407e-6,  2.7557354902304063557e-7,  2.505212934461449459e-8,
        2.0872937655789226846e-9,   1.6056799856758386452e-10, 1.1683333822098993948e-11, 7.7721028649594583218e-13};
};
template <>
struct ExponentialSeries<float, 0> {
    static constexpr float most = 0.52F, growth = 1.68202765F;  // e^most
    static constexpr float c[] = {0.999999999F,   0.9999999999F,   0.5000001233F,   0.1666666804F,
                                  0.04166438763F, 0.008333080356F, 0.001402357131F, 0.0001999080458F};
};
template <>
struct ExponentialSeries<float, 1> {
    static constexpr float most = 1.05F, growth = 2.857651118F;  // e^most
    static constexpr float c[] = {1.000000001F,      1.0F,
                                  0.4999999594F,     0.166666663F,
                                  0.04166696096F,    0.008333360006F,
                                  0.001388142928F,   0.0001983450701F,
                                  0.00002557152938F, 0.000002825580423F};
};

// cosh y and sinh(y)/y in y², for |y| ≤ `most`. In float they go as far as variances do.
template <class Real, int kRange>
struct HyperbolicSeries;
template <>
struct HyperbolicSeries<double, 0> {
    static constexpr double most = 0.55;
    static constexpr double cosh[] = {1.0,
                                      0.49999999999999989439,
                                      0.041666666666672252091,
                                      0.0013888888887781181505,
                                      0.000024801588347586521757,
                                      2.7556812284732220617e-7,
                                      2.0998529327181852099e-9};
    static constexpr double sinh[] = {0.99999999999999993966,   0.16666666666668102874,   0.0083333333327794815065,
                                      0.0001984127062229317848, 2.7556821490623331442e-6, 2.5198238487381074347e-8};
};
template <>
struct HyperbolicSeries<double, 1> {
    static constexpr double most = 1.0;
    static constexpr double cosh[] = {1.0,
                                      0.50000000000000018915,
                                      0.041666666666662695046,
                                      0.0013888888889206538393,
                                      0.000024801587176849115133,
                                      2.7557345816222871174e-7,
                                      2.0873618133610956086e-9,
                                      1.1663415733426011087e-11};
    static constexpr double sinh[] = {1.0,
                                      0.16666666666666667778,
                                      0.0083333333333331000257,
                                      0.00019841269841456445244,
                                      2.755731915070489191e-6,
                                      2.5052124008953334194e-8,
                                      1.6057199454179518447e-10,
                                      7.7604064183362387988e-13};
};
template <>
struct HyperbolicSeries<double, 2> {
    static constexpr double most = 2.5;
    static constexpr double cosh[] = {1.0,
                                      0.50000000000000244099,
                                      0.041666666666653782621,
                                      0.001388888888915258532,
                                      0.000024801587274190647867,
                                      2.7557320857984885097e-7,
                                      2.0876697706389253218e-9,
                                      1.1472074930678771052e-11,
                                      4.7615106664197878607e-14,
                                      1.6954890361328875351e-16};
    static constexpr double sinh[] = {1.0,
                                      0.16666666666666678223,
                                      0.0083333333333327233671,
                                      0.00019841269841394689291,
                                      2.7557319211013719536e-6,
                                      2.505210915923283433e-8,
                                      1.6059015758138811929e-10,
                                      7.6477935662939069361e-13,
                                      2.8029401439429076751e-15,
                                      8.8545103069058126623e-18};
};
template <>
struct HyperbolicSeries<float, 0> {
    static constexpr float most = 0.55F;
    static constexpr float cosh[] = {0.9999999984F, 0.5000001728F, 0.04166381258F, 0.001403963383F};
    static constexpr float sinh[] = {0.9999999998F, 0.1666666858F, 0.008333016561F, 0.0002000862349F};
};
template <>
struct HyperbolicSeries<float, 1> {
    static constexpr float most = 1.0F;
    static constexpr float cosh[] = {1.000000001F, 0.4999999726F, 0.04166688587F, 0.001388276205F, 0.00002549906451F};
    static constexpr float sinh[] = {1.0F, 0.1666666642F, 0.008333353206F, 0.0001983571388F, 0.000002819018793F};
};
template <>
struct HyperbolicSeries<float, 2> {
    static constexpr float most = 2.5F;
    static constexpr float cosh[] = {1.000000001F,      0.499999991F,        0.04166668956F, 0.001388866968F,
                                     0.00002481156162F, 0.0000002732523458F, 2.352971029e-9F};
    static constexpr float sinh[] = {0.9999999949F,    0.1666667255F,      0.008333223731F,
                                     0.0001984871957F, 0.000002732934452F, 0.00000002823718702F};
};
template <>
struct HyperbolicSeries<float, 3> {
    static constexpr float most = 6.0F;
    static constexpr float cosh[] = {0.9999999958F,     0.5000000234F,       0.04166664522F,  0.001388896487F,
                                     0.00002480022309F, 0.0000002757134897F, 2.078929298e-9F, 1.180578961e-11F,
                                     4.014884059e-14F,  2.49359946e-16F};
    static constexpr float sinh[] = {1.000000009F,     0.1666666246F,      0.008333364392F,
                                     0.0001984038835F, 0.000002756981404F, 0.00000002495305693F,
                                     1.651692103e-10F, 6.43124307e-13F,    4.490391411e-15F};
};

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
