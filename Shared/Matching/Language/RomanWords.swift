/// Words of languages in Latin letters, in the spellings that people type. Written by hand.
///
/// `function`: words that hardly any of the others has. `content`: more words, for how the
/// language looks.
enum RomanWords {
  struct Lists: Sendable {
    let function: Set<String>
    let content: Set<String>

    init(_ function: String, _ content: String) {
      self.function = RomanWords.words(function)
      self.content = RomanWords.words(content)
    }
  }

  /// Borrowed by all of them.
  static let shared = words(
    """
    ok okay hi hello hey thanks thank bye yes no please pls sorry sir madam mam bro order refund app
    phone mobile number account bank otp upi pin code link email id store shop delivery product price
    offer bill payment paytm gpay cash card online exam class test doctor appointment report tablet
    medicine fever lawyer court case loan ticket train bus bike car office school college whatsapp
    message call photo video status tracking track cancel return exchange size colour color problem
    issue help time free
    """
  )

  static let byLanguage: [String: Lists] = [
    "en": Lists(
      """
      the is are was were be been am what when where which who whom how why my your our their his her
      its you we they he she it i me us them this that these those a an and or but if then than of for
      with without from to in on at by about into after before again can could will would shall should
      may might must do does did done doing have has had having not don't dont didnt doesnt isnt cant
      wont im ive id its there here any some every all each much many more most other another same
      still yet already just only also too very so because while until since need want get got give
      take make tell know think let see say said please as up out off over under no
      """,
      """
      today tomorrow yesterday morning evening night day week month year money late early wrong right
      open close closed working work home address change book booking buy sell send sent receive
      received pay paid cost cheap expensive best good bad better new old long short question answer
      explain understand learning study teach teacher child children mother father wife husband friend
      people water food rice milk bread sugar pain head stomach cold cough blood pressure health
      hospital clinic nurse treatment symptoms property rent tenant agreement notice police complaint
      divorce rights law legal consult session available possible happen happened happening waiting
      wait service customer support speak talk person human someone something nothing everything
      anything minutes hours quickly slowly maybe really actually never always sometimes often first
      second last next both half full quantity quality broken damaged missing wrongly charged twice
      once through between during against
      """
    ),
    "hi": Lists(
      """
      hai hain hoon hun ho tha thi nahi nahin mat kya kyon kyu kyun kaise kaisa kaisi kab
      kahan kaha kaun konsa kaunsa kitna kitne kitni mera meri mere mujhe mujhko mai main mein hum humko
      hume humara hamara hamari hamare aap aapka aapki aapke aapko tum tumhara tumhe tera teri tu woh wo
      yeh ye isko usko uska uski iska iski ka ki ke ko se par pe aur ya lekin magar phir fir abhi ab kal
      aaj parso chahiye chahie karna karo kariye kijiye karta karti karte kar kiya kiye hua hui hue hoga
      hogi honge gaya gayi gaye raha rahi rahe sakta sakti sakte batao bataiye batana bolo dijiye
      dena lena liya diya mila mili milega milegi toh bhi hi na haan ji bahut bohot thoda zyada jyada
      kuch koi sab sabhi wala wali wale tak liye saath bina andar bahar upar neeche jaldi der pehle baad
      kyunki isliye agar jab tab jaise waise accha acha achha theek thik sahi galat bhai yaar bhaiya didi
      """,
      """
      paisa paise wapas rupaye khana pani doodh chawal ghar kaam din raat subah shaam dopahar mahina saal
      hafta dawai dawa bukhar dard pet sir khansi sardi bimar bimari ilaaj samajh samjhao sikhna padhna
      padhai kitab sawal jawab zameen kiraya kirayedar makan malik talaq shikayat nyay kanoon vakeel
      adalat naukri tankhwah bachcha bacche beta beti maa papa patni pati dost log insaan baat karni
      kharab tuta toota purana naya sasta mehenga bhejo bhej bheja aaya aayi aayega aayegi jaana jana
      jata chalta chalu band khula dukaan samaan saman pahunch pahuncha intezar madad shukriya dhanyawad
      namaste kripya maaf bilkul zaroor shayad hamesha kabhi dobara ek teen char paanch dus sau hazaar
      hindi angrezi bolna sunna dekho dekhna likho padho socho chal chalo ruko
      """
    ),
    "kn": Lists(
      """
      nanage nanna nanu naanu neevu nimma nimage nimmalli ninna avaru avara avanu ivaru idu adu ivattu
      ivathu naale nale ninne yaavaga yavaga yaake yake yaava yava yaaru yaru yelli elli hege hegide
      eshtu estu yeshtu yenu enu alla illa ide idhe idya ideya ilva illva beku beda bekittu bekagide
      agatte aagatte agutte aagutte aagalla agalla aytu aaytu agide aagide agilla aagilla madi maadi
      madona madbeku maadbeku maadtira madthira maadtini madtini kodi kotti kottiddini hogi hogbeku
      barutte baratte bartira barlilla bandilla bantu banthu bandide heli helu tilisi gottilla gottu
      gothilla gothu sariyaagi sari matte mattu aadre adre andre hagidre swalpa thumba tumba ivaga eega
      iga aamele amele munche modalu inda ge alli illi olage horage jothe jote dayavittu nodi nodidini
      maadide madidde ittu iddare iruttade irutte elle yaavudu yavudu haage haagu kooda
      """,
      """
      hana duddu rupayi oota neeru haalu akki mane kelasa dina ratri beligge sanje madhyahna tingalu
      varsha vaara aushadhi maatre jwara novu hotte tale kemmu sheeta arogya vaidyaru maga magalu amma
      appa hendathi ganda snehita jana manushya maataadbeku maatadbeku matadbeku haalagide muridu
      hosadu haleyadu kadime jaasti jasti kalisi kaluhisi kalsidira vapas wapas thegedu togondu
      togobeku padeyabeku sigatte siguthe sigutte sikkilla angadi saamanu sahaya dhanyavadagalu
      namaskara kshamisi khandita bahusha yavagalu inobba ondu eradu mooru naalku aidu hattu nooru
      savira kannada maathadi keli bareyiri odi artha aagta arthavagilla hodru banni kelu helidru
      thondare vilamba tadavaagi bega nidhana oorige batte seere chennagide channagide ideyalla
      """
    ),
    "ta": Lists(
      """
      enaku enakku ennoda ennudaiya naan nan naanga ungal unga ungaloda ungalukku neenga ninga nee avan
      aval avanga ivanga idhu adhu ithu athu inniku innaiku naalaiku nalaiku naalai nethu netru eppo
      eppothu eppadi epdi yeppadi en yen enna yenna evlo evvalavu enga yenga yaar yaru edhu ethu illa
      illai illaya iruku irukku irukka iruka irukken irukkeenga irundha venum vendum vendam venam
      mudiyuma mudiyum mudiyala mudiyathu pannunga panna pannanum panren pannuren panni pannala
      kudunga kuduthen kodunga sollunga sollu solla theriyala theriyum theriyuma vandhu vanthu varum
      varuma varala vandhuchu vanthuchu varanum poganum poga pogum aagum aagala aachu achu aana aanal
      ana romba konjam ippo ippothu apparam apram munnadi pinnadi kitta kooda mattum thaan dhaan than
      seri sari la le ku ukku oda idhula adhula vaanga vanga paarunga parunga nalla illama dhayavu seithu
      """,
      """
      panam kaasu rubai saapadu sapadu thanni paal arisi veedu vela velai naal iravu kaalai maalai
      madhiyam maasam varusham vaaram marundhu maathirai kaichal vali vayiru thalai irumal sali
      udambu maruthuvar paiyan ponnu amma appa manaivi kanavan nanban makkal manushan pesanum pesa
      pesunga udanju odanju odinju pudhusu pazhasu kammi jaasthi anuppunga anuppuneenga anupunga
      thirumba thirupi edukanum eduthu vaanganum vaangina kedaikum kidaikum kidaikala kedaikala kadai
      porul udhavi nandri vanakkam mannikavum kandippa oru rendu moonu naalu anju pathu nooru aayiram
      tamil thamizh kelunga ezhudhunga padinga padikkanum puriyala purinjudha puriyuma latea seekiram
      seekirama medhuva thuni pudavai nallaa irukkumaa eppavum evanga ungalala mudinja sollitaanga
      kettu ketten paathen paarthen vachu vechu
      """
    ),
    "te": Lists(
      """
      naaku naku naa naadi nenu memu maaku maku meeru miru mee mi meeku miku nuvvu neeku nee neeku atanu
      aame vaallu valla vaalla idi adi ee aa ivala eeroju ee roju repu ninna eppudu yeppudu ela yela ela
      enduku yenduku enti emiti emi yem entha yentha ekkada yekkada evaru yevaru edi yedi ledu leda
      ledhu undi undhi unda unnadi unnaru unnara unnayi kavali kaavali kavala vaddu oddu avutundi
      avuthundi avtundi avvaledu avvatledu ayyindi ayindi ayipoyindi cheyandi cheyali chesanu chesaru
      chestunnaru chestaru cheyyandi cheppandi cheppu cheppagalara telusu telidu teliyadu teliyaledu
      ivvandi ivvali icharu icchanu raledu raaledu vastundi vasthundi vachindi vacchindi ravali
      povali vellali vellandi kani kaani kuda kooda mariyu chala chaala konchem ippudu tarvata taruvata
      mundu lo ki ku nundi nunchi tho daggara gurinchi kosam ante ayite aithe kadaa kada andi dayachesi
      chudandi choodandi pampandi pamparu ravatledu panicheyatledu
      """,
      """
      dabbu dabbulu rupayalu bhojanam neellu paalu biyyam illu intiki pani roju raatri poddunna udayam
      saayantram madhyanam nela samvatsaram vaaram mandu mandulu jwaram noppi kadupu tala daggu jalubu
      arogyam vaidyudu abbayi ammayi amma nanna bharya bharta snehitudu manushulu manishi matladali
      matladandi paadayindi padaipoyindi virigipoyindi kotta paata takkuva ekkuva pampincharu
      pampinchandi tirigi venakki teesukovali teesukondi konali konnanu dorukutundi dorakaledu
      dukanam vastuvu sahayam dhanyavadalu namaskaram kshaminchandi tappakunda okati rendu moodu
      naalugu aidu padi vanda veyyi telugu telugulo adagandi rayandi chadavandi chaduvukovali artham
      kaaledu ardham kavatledu arthamaindi twaraga tondaraga aalasyam cheera battalu bagundi bagaledu
      eppatiki inka evarito maatladina chusanu chusaru petti pettandi
      """
    ),
    "mr": Lists(
      """
      mala majha majhi majhe mazha mazhi maza mazi maze mazya amhi aamhi amhala tumhi tumhala tumcha
      tumchi tumche tujha tuza tula mi tu ti te aahe ahe aahet ahet nahi nahiye navta hota
      hoti hote kay kaay kasa kashi kase kadhi kuthe kiti kon kona konta konte havay havi have hava
      pahije karaycha karaychi karaychay karto karte kara karun jhala jhali jhale zala zali zale ala
      aala aali ale aale yeil yenar jaanar milel milala milali nako ani aani pan mhanun mhanje aata
      udya kaal aaj sathi saathi madhe madhye parat lavkar khup khoop chhan sanga dya ghya krupaya ka
      ajun parynt shakto shakta shakte tumchya amchya amcha kahi koni
      """,
      """
      paise jevan pani dudh tandul ghari kaam divas ratra sakali sandhyakali mahina varsh aathavda
      aushadh taap dukhtay pot doka khokla sardi mulga mulgi aai baba bayko navra mitra mansa bolaycha
      bolaychay tutla tutlay juna nava swasta mahag pathva pathavla pathavli dukan madat dhanyavad
      namaskar maaf nakki kadachit ek don teen chaar paach daha shambhar marathi samajla samjat vichara
      lihi vacha abhyas
      """
    ),
    "bn": Lists(
      """
      ami amar amake amra amader apni apnar apnake apnader tumi tomar tomake tui se tar tader eta ota
      ei oi aaj aajke kal ekhon ekhono kokhon kobe kothay kothai keno kemon kibhabe kivabe koto kotota
      ki ke kon konta nei nai na noy hoy hobe hoyeche hoyni hoyna hocche hochhe ache aachhe achhe chilo
      chai lagbe korbo korte korun koro korechi korechilam korchi korche parbo parben parbe parchi
      parchina din diyechi diyechen nebo nite nin peyechi paini pabo asbe ashbe aseni asheni eseche
      jabo jabe jete bolun bolo bolte bolen janen jani janina ebong ar kintu tahole karon jonno theke
      diye sathe shathe kache moddhe por pore aage khub ektu onek kichu keu bhalo valo thik dada didi
      doya kore
      """,
      """
      taka poysa khabar jol dudh chal bari kaj dine raat sokal bikel sondha mash bochor soptaho osudh
      oshudh jor byatha betha pet matha kashi sordi shorir daktar chele meye maa baba bou swami bondhu
      manush kotha bolbo bhenge geche purono notun kom beshi pathan pathiyechen pathiyechi ferot
      dokan jinis sahajjo dhonnobad nomoskar khoma nishchoi hoyto ek dui tin char pach dosh sho hajar
      bangla likhun porun porte bujhte bujhini bujhlam taratari deri
      """
    ),
  ]

  private static func words(_ text: String) -> Set<String> {
    Set(text.split(whereSeparator: \.isWhitespace).map { $0.filter(\.isLetter) })
  }
}
